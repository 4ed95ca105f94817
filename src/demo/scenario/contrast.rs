//! Beside what others do: the last writer wins, by row or by column.

use crate::demo::model::Decimal;
use crate::demo::scenario::{Act, CLIENT, MASTER, Part, Step};
use crate::sync::Rule;

/// What last-writer-wins and merging by column lose, and what the rules here do.
pub const CONTRAST: Part = Part {
    title: "Why not simply let the last writer win?",
    ready: 7,
    steps: &[
        Step { text: "MASTER and CLIENT hold the same orders. Look at order 1000.", act: Act::Look },
        Step {
            text: "At MASTER somebody sets its quantity to 2.",
            act: Act::Change { side: MASTER, number: 1000, quantity: Some(Decimal::whole(2)), price: None },
        },
        Step {
            text: "At CLIENT, which knows nothing of that, somebody else agrees with the customer on 3 pieces at 5 each.",
            act: Act::Change {
                side: CLIENT,
                number: 1000,
                quantity: Some(Decimal::whole(3)),
                price: Some(Decimal::whole(5)),
            },
        },
        Step {
            text: "At MASTER the price of the 2 pieces becomes 10. So one side says 2 at 10, the other 3 at 5.",
            act: Act::Change { side: MASTER, number: 1000, quantity: None, price: Some(Decimal::whole(10)) },
        },
        Step {
            text: "Synchronization that keeps the last write has two usual forms. By row: what CLIENT agreed on is gone. By \
                   column: a row comes out that nobody ever wrote. In both cases nobody is told.",
            act: Act::WithoutVersions(1000),
        },
        Step { text: "Here, CLIENT prepares a set …", act: Act::Prepare(CLIENT, 2000) },
        Step {
            text: "… and MASTER can see beforehand what each rule would make of it. Every one of them finds the conflict, and \
                   every decision is recorded with both states.",
            act: Act::EachRule(CLIENT, 2000),
        },
        Step {
            text: "“Merge properties” looks at each property for itself, as keeping the last write by column does. But it knows that both sides \
                   changed both, so it takes the later of the two for what both changed, and says whose each value was.",
            act: Act::ApplyBy(CLIENT, 2000, Rule::MergeProperties),
        },
        Step { text: "The record, kept for good.", act: Act::Conflict(MASTER) },
        Step {
            text: "Somebody asks the customer: 3 at 5 it is. The record is decided again, as an ordinary new change.",
            act: Act::DecideAgain(MASTER, false),
        },
        Step { text: "It travels like any other change.", act: Act::Sync },
        Step {
            text: "Where the two sides change different properties, “Merge properties” combines them. MASTER: order 999, \
                   quantity 7.",
            act: Act::Change { side: MASTER, number: 999, quantity: Some(Decimal::whole(7)), price: None },
        },
        Step {
            text: "CLIENT: order 999, price 70.",
            act: Act::Change { side: CLIENT, number: 999, quantity: None, price: Some(Decimal::whole(70)) },
        },
        Step { text: "CLIENT sends …", act: Act::Prepare(CLIENT, 2010) },
        Step {
            text: "… and MASTER combines. Nobody is overruled, so it is no conflict; but nobody wrote this row, so it is \
                   recorded all the same.",
            act: Act::ApplyBy(CLIENT, 2010, Rule::MergeProperties),
        },
        Step { text: "The record of a combination.", act: Act::Conflict(MASTER) },
        Step { text: "After one more exchange both sides are level.", act: Act::Sync },
        Step { text: "Row by row.", act: Act::Verify },
    ],
};
