//! What a server can be sent.

use serde_json::{Value as Json, json};

/// Numbers of orders, as they may stand in a path.
pub const ORDERS: [&str; 7] = ["1", "5", "-1", "x", "9223372036854775807", "99999999999999999999", "%00"];

/// Base URLs of both nodes.
pub const BASES: [&str; 3] = ["synchmaster", "synchclient", "synch/MASTER"];

/// Every service with a body, and one that it takes; `"a set"` stands for a set's file.
pub fn services() -> Vec<(&'static str, &'static str, Json)> {
    let order = json!({"employee": 1, "customer": 2, "dateOrder": "2000-07-11 06:14:11", "item": 3, "quantity": 401, "price": 446.25});
    let mut numbered = order.clone();
    numbered["orderNum"] = json!(5);
    let prepare = json!({"syncID": 1, "dir": ".", "excludeNS": "CLIENT", "file": "x.syncset", "firstTrans": 1, "lastTrans": 9, "updateSyncTime": 1});
    let apply = json!({"syncID": 1, "dir": ".", "srcNS": "MASTER", "file": "x.syncset"});
    vec![
        ("POST", "/order", order.clone()),
        ("PUT", "/order", numbered),
        ("PUT", "/order/{orderID}", order),
        ("POST", "/randomorder", json!({})),
        ("POST", "/admin/prepsynch", prepare),
        ("POST", "/admin/synchronize", apply.clone()),
        ("POST", "/admin/preview", apply),
        ("POST", "/admin/requeue/retry", json!({})),
        ("POST", "/admin/sets", json!("a set")),
        ("POST", "/echo", json!({})),
        ("PUT", "/echo", json!({"a": [1, "b", null]})),
    ]
}
