//! Orders and what they refer to: the services of the original demo, under its names.

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::demo::edit::{change_order, delete_orders, new_order};
use crate::demo::model::{Decimal, Order, OrderDraft, parse_date, parse_price, parse_quantity};
use crate::demo::populate::{random_order, rng};
use crate::demo::{query, tables};
use crate::rest::body::JsonBody;
use crate::rest::pool::{Namespace, Use};
use crate::rest::problem::Problem;
use crate::rest::routes::{App, At, Refused, number, top};
use crate::sync::{Guid, Node};

/// How many a list has where none is asked for.
pub(crate) const TOP: &str = "10";

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(random))
        .routes(routes!(insert, update_named_inside))
        .routes(routes!(one, update, delete))
        .routes(routes!(orders))
        .routes(routes!(orders_top))
        .routes(routes!(items))
        .routes(routes!(items_top))
        .routes(routes!(customers))
        .routes(routes!(customers_top))
        .routes(routes!(employees))
        .routes(routes!(employees_top))
}

/// The number that something got.
#[derive(Serialize, ToSchema)]
pub(crate) struct Id {
    id: i64,
}

/// Done, and to what.
#[derive(Serialize, ToSchema)]
pub(crate) struct Done {
    /// 1: done.
    status: i64,
    id: i64,
}

/// An object by its local number or by its GUID.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum Reference {
    /// Its number at this node.
    Number(i64),
    /// Its GUID, which is the same at every node.
    Guid(String),
}

/// An order to be made or changed. For a change, properties left out stay.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(example = json!({"employee": 1, "customer": 5, "dateOrder": "2000-07-11 06:14:11", "item": 23, "quantity": 401, "price": 446}))]
pub(crate) struct OrderBody {
    order_num: Option<i64>,
    employee: Option<Reference>,
    customer: Option<Reference>,
    /// `YYYY-MM-DD HH:MM:SS`
    date_order: Option<String>,
    item: Option<Reference>,
    /// 0 to 1000, at most two decimals
    #[schema(value_type = Option<f64>)]
    quantity: Option<Decimal>,
    /// 1 to 9999, at most two decimals
    #[schema(value_type = Option<f64>)]
    price: Option<Decimal>,
}

/// One order, by which references travel: as GUIDs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OneOrder {
    order_num: i64,
    employee: Option<String>,
    customer: Option<String>,
    date_order: String,
    item: Option<String>,
    #[schema(value_type = f64)]
    quantity: Decimal,
    #[schema(value_type = f64)]
    price: Decimal,
}

/// An order in a list: references are numbers at this node.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedOrder {
    id: i64,
    order_num: i64,
    employee: i64,
    date_order: String,
    customer: i64,
    item: i64,
    #[schema(value_type = f64)]
    price: Decimal,
    #[schema(value_type = f64)]
    quantity: Decimal,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Orders {
    orders: Vec<ListedOrder>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Item {
    id: i64,
    code: i64,
    description: String,
    min_stock: i64,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Items {
    items: Vec<Item>,
}

/// The address of a customer's headquarters.
#[derive(Serialize, ToSchema)]
pub(crate) struct Address {
    street: Option<String>,
    number: Option<i64>,
    city: Option<String>,
    #[serde(rename = "ZIP")]
    zip: Option<String>,
    country: Option<String>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Customer {
    id: i64,
    code: String,
    cust_name: String,
    #[serde(rename = "HQAddress")]
    address: Address,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Customers {
    customers: Vec<Customer>,
}

#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Employee {
    id: i64,
    emp_code: i64,
    name: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Employees {
    employees: Vec<Employee>,
}

/// Something done at the node of a base URL, which holds the demo's tables.
async fn at_node<T: Send + 'static>(
    app: &App,
    namespace: Namespace,
    kind: Use,
    work: impl FnOnce(&mut Node) -> Result<T, Problem> + Send + 'static,
) -> Result<Json<T>, Problem> {
    let done = app.pool.with(kind, move |env| {
        let place = namespace.place(env)?;
        let node = &mut env.nodes[place];
        if let Some(missing) = tables::classes().iter().find(|spec| node.class(&spec.name).is_err()) {
            let what = format!("{} has no {}: this service is for the demo's tables", node.info().name, missing.table);
            return Err(Problem::not_found(what));
        }
        work(node)
    });
    Ok(Json(done.await?))
}

fn check_there(node: &Node, order: i64) -> Result<Order, Problem> {
    query::order(node, order).map_err(|e| match e.kind() {
        crate::sync::ErrorKind::Constraint => Problem::not_found(e.message()),
        _ => e.into(),
    })
}

impl OrderBody {
    fn draft(&self, node: &Node) -> Result<OrderDraft, Problem> {
        let within = |property: &str, value: Option<Decimal>, parse: fn(&str) -> Result<Decimal, String>| {
            let parsed = value.map(|value| parse(&value.to_string())).transpose();
            parsed.map_err(|said| Problem::unusable(property, format!("{said}; nothing was changed")))
        };
        let date = self.date_order.as_deref().map(parse_date).transpose();
        let date =
            date.map_err(|said| Problem::unusable("dateOrder", format!("dateOrder: {said}; nothing was changed")))?;
        Ok(OrderDraft {
            employee: reference(node, "employee", "Employee", self.employee.as_ref())?,
            customer: reference(node, "customer", "Customer", self.customer.as_ref())?,
            item: reference(node, "item", "Item", self.item.as_ref())?,
            date_order: date,
            quantity: within("quantity", self.quantity, parse_quantity)?,
            price: within("price", self.price, parse_price)?,
        })
    }
}

/// The local number of what a property names; it must be there.
fn reference(node: &Node, property: &str, class: &str, given: Option<&Reference>) -> Result<Option<i64>, Problem> {
    let Some(given) = given else { return Ok(None) };
    let class = node.class(class)?;
    let (found, named) = match given {
        Reference::Number(key) => (node.guid_of(class, *key)?.map(|_| *key), key.to_string()),
        Reference::Guid(text) => {
            let guid: Option<Guid> = text.parse().ok();
            (guid.map(|guid| node.key_of(class, guid)).transpose()?.flatten(), text.clone())
        }
    };
    found.map(Some).ok_or_else(|| {
        let what = format!("there is no {property} {named} at {}; nothing was changed", node.info().name);
        Problem::unusable(property, what)
    })
}

/// Insert a random order
#[utoipa::path(post, path = "/randomorder", tag = "orders", responses((status = 200, body = Id), Refused))]
async fn random(State(app): State<App>, At(at): At) -> Result<Json<Id>, Problem> {
    at_node(&app, at, Use::Writes, |node| Ok(Id { id: random_order(node, &mut rng(None))? })).await
}

/// Make an order; every property but its number is needed
#[utoipa::path(post, path = "/order", tag = "orders", request_body = OrderBody, responses((status = 200, body = Done), Refused))]
async fn insert(
    State(app): State<App>,
    At(at): At,
    JsonBody(body): JsonBody<OrderBody>,
) -> Result<Json<Done>, Problem> {
    at_node(&app, at, Use::Writes, move |node| {
        if body.order_num.is_some() {
            let what = "orderNum: a new order gets the next number by itself; nothing was changed";
            return Err(Problem::unusable("orderNum", what));
        }
        let draft = body.draft(node)?;
        Ok(Done { status: 1, id: new_order(node, &draft)? })
    })
    .await
}

/// Change the order that the body's `orderNum` names
#[utoipa::path(put, path = "/order", tag = "orders", request_body = OrderBody, responses((status = 200, body = Done), Refused))]
async fn update_named_inside(
    State(app): State<App>,
    At(at): At,
    JsonBody(body): JsonBody<OrderBody>,
) -> Result<Json<Done>, Problem> {
    let missing =
        || Problem::unusable("orderNum", "orderNum: say which order, here or in the path; nothing was changed");
    let order = body.order_num.ok_or_else(missing)?;
    change(app, at, order, body).await
}

/// One order
#[utoipa::path(get, path = "/order/{orderID}", tag = "orders", params(("orderID" = i64, Path, description = "its number at this node")), responses((status = 200, body = OneOrder), Refused))]
async fn one(State(app): State<App>, At(at): At, Path(order): Path<String>) -> Result<Json<OneOrder>, Problem> {
    let order = number("orderID", &order)?;
    at_node(&app, at, Use::Reads, move |node| {
        let found = check_there(node, order)?;
        let guid = |class: &str, key: i64| -> Result<Option<String>, Problem> {
            Ok(node.guid_by_number(node.class(class)?, key)?.map(|guid| guid.to_string()))
        };
        Ok(OneOrder {
            order_num: found.order_num,
            employee: guid("Employee", found.employee)?,
            customer: guid("Customer", found.customer)?,
            item: guid("Item", found.item)?,
            date_order: found.date_order.into(),
            quantity: found.quantity,
            price: found.price,
        })
    })
    .await
}

/// Change an order; properties left out stay
#[utoipa::path(put, path = "/order/{orderID}", tag = "orders", params(("orderID" = i64, Path)), request_body = OrderBody, responses((status = 200, body = Done), Refused))]
async fn update(
    State(app): State<App>,
    At(at): At,
    Path(order): Path<String>,
    JsonBody(body): JsonBody<OrderBody>,
) -> Result<Json<Done>, Problem> {
    let order = number("orderID", &order)?;
    if let Some(inside) = body.order_num.filter(|inside| *inside != order) {
        let what = format!("orderNum: the path names order {order}, the body order {inside}; nothing was changed");
        return Err(Problem::unusable("orderNum", what));
    }
    change(app, at, order, body).await
}

async fn change(app: App, at: Namespace, order: i64, body: OrderBody) -> Result<Json<Done>, Problem> {
    at_node(&app, at, Use::Writes, move |node| {
        check_there(node, order)?;
        let draft = body.draft(node)?;
        change_order(node, order, &draft)?;
        Ok(Done { status: 1, id: order })
    })
    .await
}

/// Delete an order
#[utoipa::path(delete, path = "/order/{orderID}", tag = "orders", params(("orderID" = i64, Path)), responses((status = 200, body = Done), Refused))]
async fn delete(State(app): State<App>, At(at): At, Path(order): Path<String>) -> Result<Json<Done>, Problem> {
    let order = number("orderID", &order)?;
    at_node(&app, at, Use::Writes, move |node| {
        check_there(node, order)?;
        delete_orders(node, &[order])?;
        Ok(Done { status: 1, id: order })
    })
    .await
}

/// Orders, the latest number first
#[utoipa::path(get, path = "/orders/{topMax}", tag = "orders", params(("topMax" = u32, Path, description = "how many at most, up to 10,000")), responses((status = 200, body = Orders), Refused))]
async fn orders_top(State(app): State<App>, At(at): At, Path(limit): Path<String>) -> Result<Json<Orders>, Problem> {
    let limit = top(&limit)?;
    at_node(&app, at, Use::Reads, move |node| {
        let listed = |o: Order| ListedOrder {
            id: o.order_num,
            order_num: o.order_num,
            employee: o.employee,
            date_order: o.date_order.into(),
            customer: o.customer,
            item: o.item,
            price: o.price,
            quantity: o.quantity,
        };
        Ok(Orders { orders: query::orders(node, limit)?.into_iter().map(listed).collect() })
    })
    .await
}

/// The ten latest orders
#[utoipa::path(get, path = "/orders", tag = "orders", responses((status = 200, body = Orders), Refused))]
async fn orders(state: State<App>, at: At) -> Result<Json<Orders>, Problem> {
    orders_top(state, at, Path(TOP.to_owned())).await
}

/// Items by number
#[utoipa::path(get, path = "/items/{topMax}", tag = "orders", params(("topMax" = u32, Path)), responses((status = 200, body = Items), Refused))]
async fn items_top(State(app): State<App>, At(at): At, Path(limit): Path<String>) -> Result<Json<Items>, Problem> {
    let limit = top(&limit)?;
    at_node(&app, at, Use::Reads, move |node| {
        let sql = "SELECT code, description, min_stock FROM items ORDER BY code LIMIT ?1";
        let items = query::rows(node, sql, limit, |r| {
            Ok(Item { id: r.get(0)?, code: r.get(0)?, description: r.get(1)?, min_stock: r.get(2)? })
        })?;
        Ok(Items { items })
    })
    .await
}

/// The first ten items
#[utoipa::path(get, path = "/items", tag = "orders", responses((status = 200, body = Items), Refused))]
async fn items(state: State<App>, at: At) -> Result<Json<Items>, Problem> {
    items_top(state, at, Path(TOP.to_owned())).await
}

/// Customers by number
#[utoipa::path(get, path = "/customers/{topMax}", tag = "orders", params(("topMax" = u32, Path)), responses((status = 200, body = Customers), Refused))]
async fn customers_top(
    State(app): State<App>,
    At(at): At,
    Path(limit): Path<String>,
) -> Result<Json<Customers>, Problem> {
    let limit = top(&limit)?;
    at_node(&app, at, Use::Reads, move |node| {
        let sql = "SELECT id, code, cust_name, hq_street, hq_number, hq_city, hq_zip, hq_country
                   FROM customers ORDER BY id LIMIT ?1";
        let customers = query::rows(node, sql, limit, |r| {
            let address =
                Address { street: r.get(3)?, number: r.get(4)?, city: r.get(5)?, zip: r.get(6)?, country: r.get(7)? };
            Ok(Customer { id: r.get(0)?, code: r.get(1)?, cust_name: r.get(2)?, address })
        })?;
        Ok(Customers { customers })
    })
    .await
}

/// The first ten customers
#[utoipa::path(get, path = "/customers", tag = "orders", responses((status = 200, body = Customers), Refused))]
async fn customers(state: State<App>, at: At) -> Result<Json<Customers>, Problem> {
    customers_top(state, at, Path(TOP.to_owned())).await
}

/// Employees by number
#[utoipa::path(get, path = "/employees/{topMax}", tag = "orders", params(("topMax" = u32, Path)), responses((status = 200, body = Employees), Refused))]
async fn employees_top(
    State(app): State<App>,
    At(at): At,
    Path(limit): Path<String>,
) -> Result<Json<Employees>, Problem> {
    let limit = top(&limit)?;
    at_node(&app, at, Use::Reads, move |node| {
        let sql = "SELECT emp_code, name FROM employees ORDER BY emp_code LIMIT ?1";
        let employees =
            query::rows(node, sql, limit, |r| Ok(Employee { id: r.get(0)?, emp_code: r.get(0)?, name: r.get(1)? }))?;
        Ok(Employees { employees })
    })
    .await
}

/// The first ten employees
#[utoipa::path(get, path = "/employees", tag = "orders", responses((status = 200, body = Employees), Refused))]
async fn employees(state: State<App>, at: At) -> Result<Json<Employees>, Problem> {
    employees_top(state, at, Path(TOP.to_owned())).await
}
