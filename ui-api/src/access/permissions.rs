//! Permissions: what a role may do with a resource, up to a level, on which records, and with which changes.
//!
//! A permission is a document `{_id: "<role>:<resource>:<access>", role, resource, access, filter?, validate?}`. Several add up:
//! whoever has one of them may. A filter becomes a query, so the stores answer it; `validate` is asked about each change.

use std::sync::Arc;

use acs_core::expression::{Context, Expression, FunctionSet, Known, Scalar};
use acs_core::query::{FieldNames, FieldValue, FilterError, JsonRecord, Operand, Query, Record, from_expression};
use acs_core::tree::DeviceTree;
use hyper::Method;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use store::{Change, ChangeKind, Collection, DATE_FIELDS, Find, Guard, Listing, Object, Scope, Store, StoreError};

use super::users::check_role;

/// What permissions are about. `secrets` is whether values of secret parameters are shown.
pub const RESOURCES: [&str; 18] = [
    "devices",
    "tasks",
    "faults",
    "operations",
    "transfers",
    "uploads",
    "presets",
    "provisions",
    "virtualParameters",
    "objects",
    "config",
    "files",
    "starstateDocuments",
    "starstateSessions",
    "users",
    "permissions",
    "apiKeys",
    "secrets",
];
/// The resource that shows the values of secret parameters.
const SECRETS: &str = "secrets";

/// Whether the records of a resource belong to devices, or are devices.
pub fn is_of_devices(resource: &str) -> bool {
    matches!(resource, "devices" | "tasks" | "faults" | "operations" | "transfers" | "uploads" | "starstateSessions")
}

/// How much is permitted; each level has those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// 1
    Count,
    /// 2
    Read,
    /// 3
    Write,
}

impl Level {
    /// The level that a method needs.
    pub fn of(method: &Method) -> Level {
        match *method {
            Method::HEAD => Level::Count,
            Method::GET => Level::Read,
            _ => Level::Write,
        }
    }

    fn from_number(number: i64) -> Option<Level> {
        [Level::Count, Level::Read, Level::Write].into_iter().find(|level| *level as i64 + 1 == number)
    }

    /// For refusals.
    pub fn verb(self) -> &'static str {
        match self {
            Level::Count => "count",
            Level::Read => "read",
            Level::Write => "change",
        }
    }
}

/// One permission, read.
#[derive(Debug, Clone, PartialEq)]
struct Permission {
    resource: &'static str,
    access: Level,
    filter: Expression,
    /// Without it no change is permitted.
    validate: Option<Expression>,
}

/// All that somebody's roles permit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Permissions(Vec<Permission>);

impl Permissions {
    /// Those of some roles. What cannot be read permits nothing.
    pub async fn of_roles(store: &dyn Store, roles: &[String]) -> Result<Permissions, StoreError> {
        if roles.is_empty() {
            return Ok(Permissions::default());
        }
        let values = roles.iter().map(|role| Operand::Text(role.clone())).collect();
        let find = Find { filter: Query::In { field: "role".to_owned(), values }, ..Find::default() };
        let documents = store.find(Listing::Documents(Collection::Permissions), find).await?.collect().await?;
        let read = |document: &Json| match read(document) {
            Ok(permission) => Some(permission),
            Err(problem) => {
                tracing::debug!(target: "nbi", permission = %document["_id"], problem, "a permission is left out");
                None
            }
        };
        Ok(Permissions(documents.iter().filter_map(read).collect()))
    }

    /// What may be done with a resource up to a level; `None` when nothing.
    pub fn scope(&self, resource: &str, level: Level, now: i64) -> Option<Scope> {
        let of_resource = |permission: &&Permission| permission.resource == resource && permission.access >= level;
        let permitted: Vec<&Permission> = self.0.iter().filter(of_resource).collect();
        if permitted.is_empty() {
            return None;
        }
        let filters = |list: &[&Permission]| Query::any(list.iter().map(|one| one.query(now)).collect());
        let scope = if resource == "devices" {
            Scope::of(filters(&permitted), Query::True)
        } else {
            // What belongs to a device is for those who may know of the device. Who has no permission for devices at all was given
            // these records by themselves.
            let devices: Vec<&Permission> = self.0.iter().filter(|one| one.resource == "devices").collect();
            let is_free = devices.is_empty() || !is_of_devices(resource);
            Scope::of(if is_free { Query::True } else { filters(&devices) }, filters(&permitted))
        };
        if level < Level::Write {
            return Some(scope);
        }
        let conditions = permitted.iter().filter_map(|permission| permission.validate.clone()).collect();
        let resource = permitted[0].resource;
        Some(scope.guarded_by(Arc::new(Validation { resource, conditions, now })))
    }

    /// Whether values of secret parameters are shown.
    pub fn reveal(&self, now: i64) -> bool {
        let reveals = |permission: &Permission| {
            permission.resource == SECRETS && permission.access >= Level::Read && permission.query(now) == Query::True
        };
        self.0.iter().any(reveals)
    }
}

impl Permission {
    fn query(&self, now: i64) -> Query {
        filter_query(&self.filter, self.resource, now).unwrap_or(Query::False)
    }
}

/// A filter on a resource as a query.
fn filter_query(filter: &Expression, resource: &str, now: i64) -> Result<Query, FilterError> {
    let names = if resource == "devices" { FieldNames::Devices } else { FieldNames::Documents };
    from_expression(&filter.simplify(&Clock(now)), names)
}

/// A filter on devices as a query.
///
/// # Errors
/// The text is no expression, or none that a store can answer; says why.
pub fn device_query(filter: &str, now: i64) -> Result<Query, String> {
    let filter = acs_core::expression::parse(filter).map_err(|error| error.to_string())?;
    checked(&filter)?;
    filter_query(&filter, "devices", now).map_err(|error| error.to_string())
}

/// Knows what time it is.
struct Clock(i64);

impl Known for Clock {
    fn now(&self) -> Option<i64> {
        Some(self.0)
    }
}

fn checked(expression: &Expression) -> Result<(), String> {
    match expression.check(FunctionSet::BASIC).into_iter().next() {
        Some(problem) => Err(problem.to_string()),
        None => Ok(()),
    }
}

/// A permission's document as it may be stored, from its id and what a client says.
///
/// # Errors
/// What is wrong, and where.
pub fn document(id: &str, given: &Json) -> Result<Json, String> {
    let Json::Object(map) = given else { return Err("$: must be an object".to_owned()) };
    const FIELDS: [&str; 6] = ["_id", "role", "resource", "access", "filter", "validate"];
    if let Some(unknown) = map.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        return Err(format!("$.{unknown}: unknown field; known are {}", FIELDS.join(", ")));
    }
    let mut parts = id.rsplitn(3, ':');
    let (access, resource, role) = (parts.next(), parts.next(), parts.next());
    let (Some(access), Some(resource), Some(role)) = (access, resource, role) else {
        return Err(format!("{id:?} must be as role:resource:access, for example support:devices:2"));
    };
    check_role(role)?;
    let access: i64 = access.parse().map_err(|_| format!("the access {access:?} is none of 1, 2, 3"))?;
    let mut document = json!({ "role": role, "resource": resource, "access": access });
    for field in ["role", "resource", "access"] {
        if map.get(field).is_some_and(|given| *given != document[field]) {
            return Err(format!("$.{field}: differs from the permission's id {id}"));
        }
    }
    for field in ["filter", "validate"] {
        match map.get(field) {
            None | Some(Json::Null) => {}
            Some(Json::Bool(value)) => document[field] = value.to_string().into(),
            Some(Json::String(text)) => document[field] = text.as_str().into(),
            Some(_) => return Err(format!("$.{field}: must be an expression in text form, true or false")),
        }
    }
    read(&document).map(|_| document)
}

/// Reads a stored permission.
fn read(document: &Json) -> Result<Permission, String> {
    let resource = document.get("resource").and_then(Json::as_str).unwrap_or_default();
    let known = RESOURCES.into_iter().find(|known| *known == resource);
    let resource = known.ok_or_else(|| format!("the resource {resource:?} is none of {}", RESOURCES.join(", ")))?;
    let access = document.get("access").and_then(Json::as_f64).and_then(|number| Level::from_number(number as i64));
    let access = access.ok_or("the access is none of 1 (count), 2 (read), 3 (write)")?;
    let expression = |field: &str| match document.get(field) {
        None | Some(Json::Null) => Ok(None),
        Some(json) => {
            let expression = Expression::deserialize(json).map_err(|error| format!("$.{field}: {error}"))?;
            checked(&expression).map_err(|problem| format!("$.{field}: {problem}"))?;
            Ok::<_, String>(Some(expression))
        }
    };
    let filter = expression("filter")?.unwrap_or(Expression::literal(true));
    filter_query(&filter, resource, 0).map_err(|error| format!("$.filter: {error}"))?;
    Ok(Permission { resource, access, filter, validate: expression("validate")? })
}

/// Stores the permissions of a role that may do everything, where the role has none yet.
pub async fn seed(store: &dyn Store, role: &str) -> Result<(), StoreError> {
    let permissions = Listing::Documents(Collection::Permissions);
    if store.count(permissions, Query::equal("role", role)).await? > 0 {
        return Ok(());
    }
    for resource in RESOURCES {
        let document = json!({ "role": role, "resource": resource, "access": 3, "validate": "true" });
        store.put(Collection::Permissions, &format!("{role}:{resource}:3"), document).await?;
    }
    Ok(())
}

/// Asks the `validate` expressions; one that is true is enough.
struct Validation {
    resource: &'static str,
    conditions: Vec<Expression>,
    now: i64,
}

impl Guard for Validation {
    fn permits(&self, change: &Change<'_>) -> bool {
        let device = match change.object {
            Object::Device(device) => Some(device.full_tree()),
            _ => None,
        };
        let proposed = Proposed { resource: self.resource, change, device, now: self.now };
        self.conditions.iter().any(|condition| condition.holds(&proposed))
    }
}

/// A change as `validate` sees it.
struct Proposed<'c> {
    resource: &'static str,
    change: &'c Change<'c>,
    device: Option<DeviceTree>,
    now: i64,
}

impl Context for Proposed<'_> {
    fn parameter(&self, path: &str) -> Scalar {
        if let Some(name) = path.strip_prefix("mutation.") {
            return field(self.change.content, name);
        }
        if let Some(name) = path.strip_prefix("object.") {
            return match (self.change.object, &self.device) {
                (_, Some(tree)) => {
                    let value = tree.find(name).and_then(|id| tree.node(id).typed_value());
                    value.map_or(Scalar::Null, |value| Scalar::from(&value.0))
                }
                (Object::Document(document), _) => field(document, name),
                _ => Scalar::Null,
            };
        }
        match path {
            "mutationType" => mutation_type(self.change.kind).into(),
            "resourceType" => self.resource.into(),
            _ => Scalar::Null,
        }
    }

    fn now(&self) -> i64 {
        self.now
    }
}

fn mutation_type(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Put => "put",
        ChangeKind::Delete => "delete",
        ChangeKind::Task => "task",
        ChangeKind::Tags => "tags",
        ChangeKind::Password => "password",
    }
}

/// A field of a document; null when it is no scalar.
fn field(document: &Json, name: &str) -> Scalar {
    match JsonRecord::with_dates(document, &DATE_FIELDS).field(name) {
        FieldValue::Bool(value) => value.into(),
        FieldValue::Number(number) => Scalar::number(number),
        FieldValue::Text(text) => text.into_owned().into(),
        FieldValue::Date(time) => time.into(),
        FieldValue::Missing | FieldValue::Null | FieldValue::List(_) | FieldValue::Each(_) | FieldValue::Object(_) => {
            Scalar::Null
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn permissions(list: &[(&str, i64, Json, Json)]) -> Permissions {
        let document = |(resource, access, filter, validate): &(&str, i64, Json, Json)| {
            read(&json!({"role": "r", "resource": resource, "access": access, "filter": filter, "validate": validate}))
                .unwrap()
        };
        Permissions(list.iter().map(document).collect())
    }

    #[test]
    fn a_level_has_those_before_and_filters_add_up() {
        let permissions = permissions(&[
            ("presets", 1, Json::Null, Json::Null),
            ("presets", 2, json!("channel = 'a'"), Json::Null),
            ("presets", 3, json!("channel = 'b'"), json!(true)),
        ]);
        let covers = |level, channel: &str| {
            permissions.scope("presets", level, 0).unwrap().covers(&json!({ "channel": channel }))
        };
        for (level, seen) in [
            (Level::Count, [true, true, true]),
            (Level::Read, [true, true, false]),
            (Level::Write, [false, true, false]),
        ] {
            assert_eq!(["a", "b", "c"].map(|channel| covers(level, channel)), seen, "{level:?}");
        }
        assert!(permissions.scope("provisions", Level::Count, 0).is_none());
    }

    #[test]
    fn filters_know_the_time() {
        let permissions = permissions(&[("tasks", 2, json!("timestamp > NOW() - 1000"), Json::Null)]);
        let task = json!({"timestamp": "1970-01-01T00:00:02.000Z"});
        assert!(permissions.scope("tasks", Level::Read, 2_500).unwrap().covers(&task));
        assert!(!permissions.scope("tasks", Level::Read, 3_500).unwrap().covers(&task));
    }

    #[test]
    fn changes_are_permitted_by_what_they_are() {
        let cases = [
            (Json::Null, ChangeKind::Put, json!({}), Object::None, false),
            (json!(true), ChangeKind::Put, json!({}), Object::None, true),
            (json!("mutationType = 'delete'"), ChangeKind::Delete, json!(null), Object::None, true),
            (json!("mutationType = 'delete'"), ChangeKind::Put, json!({}), Object::None, false),
            (json!("resourceType = 'presets'"), ChangeKind::Put, json!({}), Object::None, true),
            (json!("mutation.weight < 10"), ChangeKind::Put, json!({"weight": 5}), Object::None, true),
            (json!("mutation.weight < 10"), ChangeKind::Put, json!({"weight": 50}), Object::None, false),
            (
                json!("object.channel = 'a'"),
                ChangeKind::Put,
                json!({}),
                Object::Document(&json!({"channel": "a"})),
                true,
            ),
            (json!("object.channel IS NULL"), ChangeKind::Put, json!({}), Object::None, true),
            (json!("options.x IS NULL AND NOW() = 7"), ChangeKind::Tags, json!({"x": true}), Object::None, true),
            (json!("unknown"), ChangeKind::Put, json!({}), Object::None, false),
        ];
        for (validate, kind, content, object, expected) in cases {
            let scope = permissions(&[("presets", 3, Json::Null, validate.clone())]).scope("presets", Level::Write, 7);
            assert_eq!(
                scope.unwrap().permit(kind, &content, object).is_ok(),
                expected,
                "{validate} {kind:?} {content}"
            );
        }
    }

    #[test]
    fn a_permission_that_cannot_be_read_is_told_why() {
        for (id, given, expected) in [
            ("support:devices", json!({}), "role:resource:access"),
            ("support:devices:4", json!({}), "access"),
            ("support:views:2", json!({}), "none of devices, tasks"),
            (":devices:2", json!({}), "is no role"),
            ("support:devices:2", json!({"access": 3}), "$.access: differs"),
            ("support:devices:2", json!({"filter": "a ="}), "$.filter: "),
            ("support:devices:2", json!({"filter": "A.B = A.C"}), "$.filter: Right-hand operand"),
            ("support:devices:2", json!({"filter": "EXT('a', 'b')"}), "$.filter: EXT() cannot be used here"),
            ("support:devices:2", json!({"validate": 5}), "$.validate: must be"),
            ("support:devices:2", json!({"valdate": "true"}), "$.valdate: unknown field"),
            ("support:devices:2", json!([]), "must be an object"),
        ] {
            let error = document(id, &given).unwrap_err();
            assert!(error.contains(expected), "{id} {given}: {error}");
        }
        let good = document("support:devices:2", &json!({"filter": "Tags.lab IS NOT NULL", "validate": true})).unwrap();
        assert_eq!(
            good,
            json!({"role": "support", "resource": "devices", "access": 2, "filter": "Tags.lab IS NOT NULL", "validate": "true"})
        );
    }
}
