//! The situations of the tour, each with a prelude that brings it about and an end that settles it.

use crate::demo::model::Decimal;
use crate::demo::scenario::{Act, CLIENT, MASTER, Part, Step};

/// The original's "How to test".
pub const HOW_TO_TEST: Part = Part {
    title: "Both go on working, and come together again",
    ready: 3,
    steps: &[
        Step {
            text: "Two databases, MASTER and CLIENT, hold the same orders. CLIENT is a copy of MASTER, so there is nothing to send.",
            act: Act::Look,
        },
        Step {
            text: "At MASTER, three orders come in. CLIENT knows nothing of them: it is not connected.",
            act: Act::RandomOrders(MASTER, 3),
        },
        Step {
            text: "At CLIENT, two orders come in meanwhile, numbered alike. They are other orders all the same.",
            act: Act::RandomOrders(CLIENT, 2),
        },
        Step { text: "What MASTER has not sent yet is put into a file, a sync set.", act: Act::Prepare(MASTER, 1000) },
        Step {
            text: "CLIENT applies the set. Its own numbers stay; what comes gets the next free ones, and the report says so.",
            act: Act::Apply(MASTER, 1000),
        },
        Step {
            text: "The other way: CLIENT prepares a set of its own orders, not of what it has just received …",
            act: Act::Prepare(CLIENT, 1000),
        },
        Step { text: "… and MASTER applies it.", act: Act::Apply(CLIENT, 1000) },
        Step { text: "Row by row, both hold the same now.", act: Act::Verify },
    ],
};

/// Both sides change the same order.
pub const CONFLICT: Part = Part {
    title: "A conflict: both sides change the same order",
    ready: 2,
    steps: &[
        Step {
            text: "Both change the same order without knowing of each other. MASTER: order 1000, quantity 401.",
            act: Act::Change { side: MASTER, number: 1000, quantity: Some(Decimal::whole(401)), price: None },
        },
        Step {
            text: "CLIENT: order 1000, quantity 460 and price 446.",
            act: Act::Change {
                side: CLIENT,
                number: 1000,
                quantity: Some(Decimal::whole(460)),
                price: Some(Decimal::whole(446)),
            },
        },
        Step { text: "CLIENT sends first, as the original's documentation advises.", act: Act::Prepare(CLIENT, 1010) },
        Step {
            text: "MASTER applies it and finds the conflict: neither had seen the other's change. The rule decides.",
            act: Act::Apply(CLIENT, 1010),
        },
        Step {
            text: "Nothing is lost: the record keeps both states and says who won and why.",
            act: Act::Conflict(MASTER),
        },
        Step { text: "The decision travels like any other change.", act: Act::Prepare(MASTER, 1010) },
        Step {
            text: "CLIENT takes it; there it is no conflict any more, because it was made with CLIENT's change in sight.",
            act: Act::Apply(MASTER, 1010),
        },
        Step { text: "Both sides are level again.", act: Act::Verify },
    ],
};

/// One side deletes what the other changes.
pub const DELETION: Part = Part {
    title: "A deletion against a change",
    ready: 2,
    steps: &[
        Step { text: "CLIENT deletes order 998: the customer has called it off.", act: Act::Delete(CLIENT, 998) },
        Step {
            text: "At MASTER somebody sets the quantity of the same order to 12, and knows nothing of that.",
            act: Act::Change { side: MASTER, number: 998, quantity: Some(Decimal::whole(12)), price: None },
        },
        Step { text: "CLIENT prepares a set. A deletion travels like a change.", act: Act::Prepare(CLIENT, 1020) },
        Step {
            text: "MASTER applies it. A deletion against a change is a conflict, too, and is never merged: one of the two stands \
                   whole. The rule says that CLIENT wins.",
            act: Act::Apply(CLIENT, 1020),
        },
        Step { text: "The record keeps what MASTER had made of the order.", act: Act::Conflict(MASTER) },
        Step {
            text: "Somebody asks: the order is wanted after all. The record is decided again, and the order comes back.",
            act: Act::DecideAgain(MASTER, true),
        },
        Step { text: "That is an ordinary new change. It goes to CLIENT …", act: Act::Prepare(MASTER, 1020) },
        Step { text: "… where the order lives again, as the same order.", act: Act::Apply(MASTER, 1020) },
        Step { text: "Both sides are level again.", act: Act::Verify },
    ],
};

/// A set's file is lost.
pub const LOST_SET: Part = Part {
    title: "A set is lost on its way",
    ready: 5,
    steps: &[
        Step { text: "Two orders come in at MASTER …", act: Act::RandomOrders(MASTER, 2) },
        Step { text: "… and MASTER prepares a set of them.", act: Act::Prepare(MASTER, 1030) },
        Step { text: "The file is lost on its way, with the stick that it was on.", act: Act::Lose(MASTER, 1030) },
        Step { text: "Nobody knows that yet. A third order comes in …", act: Act::RandomOrders(MASTER, 1) },
        Step {
            text: "… and goes into the next set: MASTER believes the others sent.",
            act: Act::Prepare(MASTER, 1031),
        },
        Step {
            text: "CLIENT applies it, and sees that something is missing before it. The set is refused whole; nothing is changed.",
            act: Act::Refused(MASTER, 1031),
        },
        Step {
            text: "MASTER prepares again, from what CLIENT has confirmed on. A set says in its head what its sender has received.",
            act: Act::PrepareAgain(MASTER, 1032),
        },
        Step { text: "All three orders arrive.", act: Act::Apply(MASTER, 1032) },
        Step { text: "Both sides are level again.", act: Act::Verify },
    ],
};

/// What comes refers to something that is not here.
pub const UNKNOWN_REFERENCE: Part = Part {
    title: "An order for an unknown customer",
    ready: 2,
    steps: &[
        Step {
            text: "MASTER wins a customer, Nova Textiles, and has an order from them. Orders are synchronized; customers are not.",
            act: Act::OrderOfNewCustomer(MASTER, "Nova Textiles"),
        },
        Step {
            text: "The set carries the order, which refers to its customer by identity.",
            act: Act::Prepare(MASTER, 1040),
        },
        Step {
            text: "CLIENT does not know the customer, so it cannot take the order yet. It is not dropped and not made up: it waits.",
            act: Act::Apply(MASTER, 1040),
        },
        Step { text: "The requeue says what waits, and for what.", act: Act::Waiting(CLIENT) },
        Step { text: "Customers are synchronized from now on, at both sides.", act: Act::Journal("Customer") },
        Step { text: "The next set brings the customers that CLIENT lacks …", act: Act::Prepare(MASTER, 1041) },
        Step { text: "… and what waited for one of them goes through by itself.", act: Act::Apply(MASTER, 1041) },
        Step {
            text: "CLIENT began to journal its customers, too, and says so in a set of its own. Both directions, and nothing is left \
                   to send.",
            act: Act::Sync,
        },
        Step { text: "Both sides are level again.", act: Act::Verify },
    ],
};
