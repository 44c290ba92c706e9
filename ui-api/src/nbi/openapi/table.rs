//! Every path of the API with its operations.

mod starstate;

use serde_json::{Value as Json, json};

/// A path.
pub struct PathItem {
    /// As in OpenAPI: `/devices/{id}`.
    pub template: String,
    /// Its variable segments.
    pub parameters: Vec<Parameter>,
    /// What may be done.
    pub operations: Vec<Operation>,
}

/// What may be done at a path.
pub struct Operation {
    /// In lower case. GET includes HEAD.
    pub method: &'static str,
    /// For programs that are made of the description.
    pub id: String,
    /// In a few words.
    pub summary: String,
    /// What it belongs to.
    pub tag: &'static str,
    /// Besides the path's own.
    pub parameters: Vec<Parameter>,
    /// What is sent.
    pub body: Option<Body>,
    /// Status, meaning and content of what comes back, failures apart.
    pub answers: Vec<(u16, &'static str, Vec<Content>)>,
    /// Whether no key is needed.
    pub is_public: bool,
}

/// What is sent.
pub struct Body {
    pub is_required: bool,
    pub content: Vec<Content>,
}

/// What a body may be.
#[derive(Clone, Copy)]
pub enum Content {
    /// JSON of a schema.
    Json(&'static str),
    /// A list of documents of a schema.
    List(&'static str),
    Text,
    Bytes,
    /// Server-sent events.
    Events,
}

/// Where a parameter stands.
#[derive(Clone, Copy)]
pub enum Place {
    Path,
    Query,
    Header,
}

/// A parameter.
pub struct Parameter {
    pub name: &'static str,
    pub place: Place,
    pub meaning: &'static str,
    pub schema: Json,
    pub may_be_empty: bool,
}

fn operation(method: &'static str, id: impl Into<String>, tag: &'static str, summary: impl Into<String>) -> Operation {
    Operation {
        method,
        id: id.into(),
        summary: summary.into(),
        tag,
        parameters: Vec::new(),
        body: None,
        answers: Vec::new(),
        is_public: false,
    }
}

impl Operation {
    fn with(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Operation {
        self.parameters.extend(parameters);
        self
    }

    fn takes(self, content: &[Content]) -> Operation {
        Operation { body: Some(Body { is_required: true, content: content.to_vec() }), ..self }
    }

    fn may_take(self, content: &[Content]) -> Operation {
        Operation { body: Some(Body { is_required: false, content: content.to_vec() }), ..self }
    }

    fn answers(mut self, status: u16, meaning: &'static str, content: &[Content]) -> Operation {
        self.answers.push((status, meaning, content.to_vec()));
        self
    }

    fn public(self) -> Operation {
        Operation { is_public: true, ..self }
    }
}

fn path(
    template: impl Into<String>,
    parameters: impl IntoIterator<Item = Parameter>,
    operations: impl IntoIterator<Item = Operation>,
) -> PathItem {
    PathItem {
        template: template.into(),
        parameters: parameters.into_iter().collect(),
        operations: operations.into_iter().collect(),
    }
}

fn in_path(name: &'static str, meaning: &'static str) -> Parameter {
    let schema = json!({ "type": "string", "minLength": 1 });
    Parameter { name, place: Place::Path, meaning, schema, may_be_empty: false }
}

fn in_query(name: &'static str, meaning: &'static str, schema: Json) -> Parameter {
    Parameter { name, place: Place::Query, meaning, schema, may_be_empty: false }
}

fn header(name: &'static str, meaning: &'static str) -> Parameter {
    Parameter { name, place: Place::Header, meaning, schema: json!({ "type": "string" }), may_be_empty: false }
}

fn text() -> Json {
    json!({ "type": "string" })
}

fn number() -> Json {
    json!({ "type": "integer", "minimum": 0 })
}

fn projection() -> Parameter {
    in_query("projection", "The fields to show: names separated by commas, or JSON as in MongoDB", text())
}

fn list_parameters() -> [Parameter; 5] {
    [
        in_query("query", "What documents must satisfy: JSON as in MongoDB", text()),
        projection(),
        in_query("sort", "The order: JSON, {\"name\": 1} or -1", text()),
        in_query("skip", "How many to leave out", number()),
        in_query("limit", "How many to give at most; 0 is no limit", number()),
    ]
}

fn device_id() -> Parameter {
    in_path("id", "The device's ID; its own percent signs are encoded again")
}

fn flag(name: &'static str, meaning: &'static str) -> Parameter {
    Parameter { may_be_empty: true, ..in_query(name, meaning, text()) }
}

/// A list of documents.
fn list(name: &'static str, schema: &'static str, what: &str) -> Operation {
    operation("get", format!("list_{name}"), name, format!("List {what}")).with(list_parameters()).answers(
        200,
        "One document per line; the header total counts all matches",
        &[Content::List(schema)],
    )
}

fn get(name: &'static str, schema: &'static str, what: &str) -> Operation {
    operation("get", format!("get_{}", name.trim_end_matches('s')), name, format!("Show {what}"))
        .with([projection()])
        .answers(200, "The document", &[Content::Json(schema)])
}

fn delete(name: &'static str, what: &str) -> Operation {
    operation("delete", format!("delete_{}", name.trim_end_matches('s')), name, format!("Delete {what}")).answers(
        200,
        "Deleted",
        &[],
    )
}

/// A collection whose documents operators write.
fn written(name: &'static str, schema: &'static str, body: &[Content]) -> [PathItem; 2] {
    let singular = name.trim_end_matches('s');
    let add =
        operation("post", format!("post_{singular}"), name, "Store one, with its name in the document as _id or name")
            .takes(&[Content::Json(schema)])
            .answers(200, "Stored; Warning headers say what is odd", &[]);
    let put = operation("put", format!("put_{singular}"), name, "Store one, whatever was there").takes(body).answers(
        200,
        "Stored; Warning headers say what is odd",
        &[],
    );
    let post = operation("post", format!("post_named_{singular}"), name, "The same as PUT, with an answer")
        .takes(body)
        .answers(200, "Stored; Warning headers say what is odd", &[Content::Json("Stored")]);
    [
        path(format!("/{name}"), [], [list(name, schema, name), add]),
        path(
            format!("/{name}/{{name}}"),
            [in_path("name", "Its name")],
            [get(name, schema, "one"), put, post, delete(name, "one")],
        ),
    ]
}

/// A collection that comes about by itself.
fn kept(name: &'static str, schema: &'static str, deletable: bool) -> [PathItem; 2] {
    let deletion = deletable.then(|| delete(name, "one"));
    [
        path(format!("/{name}"), [], [list(name, schema, name)]),
        path(
            format!("/{name}/{{id}}"),
            [in_path("id", "Its _id")],
            [get(name, schema, "one")].into_iter().chain(deletion),
        ),
    ]
}

/// All paths.
pub fn paths() -> Vec<PathItem> {
    let script = [Content::Text, Content::Json("Script")];
    [server(), devices(), tasks(), files(), starstate::paths(), accounts()]
        .into_iter()
        .flatten()
        .chain(written("presets", "Preset", &[Content::Json("Preset")]))
        .chain(written("provisions", "Script", &script))
        .chain(written("virtual_parameters", "Script", &script))
        .chain(written("objects", "Object", &[Content::Json("Object")]))
        .chain(written("config", "ConfigValue", &[Content::Json("ConfigValue")]))
        .chain(kept("faults", "Fault", true))
        .chain(kept("operations", "Operation", false))
        .chain(kept("transfers", "Transfer", false))
        .chain(kept("uploads", "File", true))
        .collect()
}

fn server() -> Vec<PathItem> {
    let events = operation("get", "events", "server", "What happens, as it happens")
        .with([
            in_query("after", "The id of the last event that the client has; 0 for all that are kept", number()),
            in_query("kinds", "Kinds of events, separated by commas: task.*,fault.created", text()),
            in_query("device", "Only events of this device", text()),
            in_query("wait", "End the stream after so many seconds without an event", number()),
            header("Last-Event-ID", "The id of the last event that the client has"),
        ])
        .answers(200, "Server-sent events; data is an Event", &[Content::Events]);
    vec![
        path(
            "/",
            [],
            [operation("get", "root", "server", "Whether somebody is there").answers(200, "OK", &[Content::Text])],
        ),
        path(
            "/health",
            [],
            [operation("get", "health", "server", "Whether the server can do its work; 503 says why not")
                .answers(200, "It can", &[Content::Text, Content::Json("Health")])
                .public()],
        ),
        path(
            "/status",
            [],
            [operation("get", "status", "server", "Counters, and how near the server is to its limits").answers(
                200,
                "The status",
                &[Content::Json("Status")],
            )],
        ),
        path(
            "/openapi.json",
            [],
            [operation("get", "openapi", "server", "This description").answers(
                200,
                "OpenAPI 3.1",
                &[Content::Json("OpenApi")],
            )],
        ),
        path("/events", [], [events]),
        path(
            "/ping/{host}",
            [in_path("host", "A name or an address at which devices may be")],
            [operation("get", "ping", "server", "Ping a host").answers(200, "What ping says", &[Content::Text])],
        ),
        path(
            "/repairs",
            [],
            [operation("get", "repairs", "server", "What had to be forgiven in devices' messages, per model").answers(
                200,
                "One document per model",
                &[Content::List("Repair")],
            )],
        ),
    ]
}

fn devices() -> Vec<PathItem> {
    const TAG: &str = "devices";
    let of_device = |what: &str| format!("/devices/{{id}}{what}");
    let tag = |method, id: &str, summary: &str| operation(method, id, TAG, summary).answers(200, "Done", &[]);
    vec![
        path("/devices", [], [list(TAG, "Device", "devices")]),
        path(
            of_device(""),
            [device_id()],
            [get(TAG, "Device", "a device"), delete(TAG, "a device with all that is kept of it")],
        ),
        path(
            of_device("/tags/{tag}"),
            [device_id(), in_path("tag", "The tag")],
            [tag("post", "add_tag", "Add a tag"), tag("delete", "delete_tag", "Remove a tag")],
        ),
        path(
            of_device("/tasks"),
            [device_id()],
            [operation("post", "post_task", "tasks", "Queue a task, wake the device, or both")
                .with([
                    flag("connection_request", "Wake the device, and wait for its session; its value does not matter"),
                    in_query("timeout", "How long the session may take to begin, in milliseconds", number()),
                ])
                .may_take(&[Content::Json("Task")])
                .answers(200, "Done: the task, or nothing when there was none", &[Content::Json("StoredTask")])
                .answers(202, "Queued; the reason phrase says why it is not done", &[Content::Json("StoredTask")])
                .answers(504, "The device could not be reached", &[Content::Text])],
        ),
        path(
            of_device("/objects/{object}/refresh"),
            [device_id(), in_path("object", "The object's path")],
            [operation("post", "refresh", "tasks", "Queue the task refreshObject")
                .with([
                    flag("connection_request", "Wake the device, and wait for its session; its value does not matter"),
                    in_query("timeout", "How long the session may take to begin, in milliseconds", number()),
                ])
                .answers(200, "Done: the task", &[Content::Json("StoredTask")])
                .answers(202, "Queued; the reason phrase says why it is not done", &[Content::Json("StoredTask")])],
        ),
        path(
            of_device("/plan"),
            [device_id()],
            [operation("post", "plan", TAG, "Say what a session would do")
                .may_take(&[Content::Json("PlanRequest")])
                .answers(200, "The plan", &[Content::Json("Plan")])],
        ),
        path(
            of_device("/credentials"),
            [device_id()],
            [
                operation("put", "put_credentials", TAG, "Set what the device authenticates with")
                    .takes(&[Content::Json("Credentials")])
                    .answers(200, "Stored", &[]),
                operation("delete", "delete_credentials", TAG, "Forget what the device authenticates with").answers(
                    200,
                    "Forgotten",
                    &[],
                ),
            ],
        ),
        path(
            of_device("/connection_requests"),
            [device_id()],
            [operation("get", "connection_requests", TAG, "What came of waking the device").answers(
                200,
                "By method",
                &[Content::Json("ConnectionRequests")],
            )],
        ),
        path(
            of_device("/sessions"),
            [device_id()],
            [operation("get", "sessions", TAG, "The device's last sessions").answers(
                200,
                "The newest first",
                &[Content::List("Session")],
            )],
        ),
        path(
            of_device("/sessions/{session}"),
            [device_id(), in_path("session", "The session's _id")],
            [operation("get", "session", TAG, "What happened in a session").answers(
                200,
                "With `steps`",
                &[Content::Json("Session")],
            )],
        ),
    ]
}

fn tasks() -> Vec<PathItem> {
    const TAG: &str = "tasks";
    let id = || in_path("id", "The task's _id");
    vec![
        path("/tasks", [], [list(TAG, "StoredTask", "open tasks")]),
        path(
            "/tasks/{id}",
            [id()],
            [get(TAG, "StoredTask", "a task in any state"), delete(TAG, "a task, with its fault")],
        ),
        path(
            "/tasks/{id}/retry",
            [id()],
            [operation("post", "retry_task", TAG, "Delete a task's fault, so that it is tried again").answers(
                200,
                "Done",
                &[],
            )],
        ),
    ]
}

fn files() -> Vec<PathItem> {
    const TAG: &str = "files";
    vec![
        path("/files", [], [list(TAG, "File", "files for devices")]),
        path(
            "/files/{name}",
            [in_path("name", "The file's name")],
            [
                get(TAG, "File", "a file's description"),
                operation("put", "put_file", TAG, "Store a file, whatever was there")
                    .with([
                        header("fileType", "As in Download: 1 Firmware Upgrade Image"),
                        header("oui", "Whose devices it is for"),
                        header("productClass", "Which devices it is for"),
                        header("version", "Which version it is"),
                    ])
                    .takes(&[Content::Bytes])
                    .answers(201, "Stored", &[]),
                delete(TAG, "a file"),
            ],
        ),
        path(
            "/uploads/{id}/content",
            [in_path("id", "The upload's _id")],
            [operation("get", "get_upload_content", "uploads", "The file that a device sent").answers(
                200,
                "The file",
                &[Content::Bytes],
            )],
        ),
    ]
}

fn accounts() -> Vec<PathItem> {
    let all = |name: &'static str, schema: &'static str| {
        operation("get", format!("list_{name}"), "accounts", format!("List {name}")).answers(
            200,
            "All of them; the header total counts them",
            &[Content::List(schema)],
        )
    };
    let show = |name: &'static str, schema: &'static str| {
        operation("get", format!("get_{name}"), "accounts", "Show one").answers(
            200,
            "The document",
            &[Content::Json(schema)],
        )
    };
    let put = |name: &'static str, schema: &'static str| {
        operation("put", format!("put_{name}"), "accounts", "Store one")
            .takes(&[Content::Json(schema)])
            .answers(200, "Stored", &[])
            .answers(201, "Made", &[])
    };
    let remove = |name: &str| {
        operation("delete", format!("delete_{name}"), "accounts", "Delete one").answers(200, "Deleted", &[])
    };
    let key = operation("post", "post_api_key", "accounts", "Make a key, which is shown only this once")
        .takes(&[Content::Json("NewApiKey")])
        .answers(201, "The key", &[Content::Json("MadeApiKey")]);
    let password = operation("put", "put_password", "accounts", "Set a password")
        .takes(&[Content::Json("NewPassword")])
        .answers(200, "Set", &[]);
    let user = || in_path("name", "The user's name");
    let permission = || in_path("id", "<role>:<resource>:<access>");
    vec![
        path("/users", [], [all("users", "User")]),
        path("/users/{name}", [user()], [show("user", "User"), put("user", "User"), remove("user")]),
        path("/users/{name}/password", [user()], [password]),
        path("/permissions", [], [all("permissions", "Permission")]),
        path(
            "/permissions/{id}",
            [permission()],
            [show("permission", "Permission"), put("permission", "Permission"), remove("permission")],
        ),
        path("/api_keys", [], [all("api_keys", "ApiKey"), key]),
        path("/api_keys/{id}", [in_path("id", "The key's _id")], [show("api_key", "ApiKey"), remove("api_key")]),
    ]
}
