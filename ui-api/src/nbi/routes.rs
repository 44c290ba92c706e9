//! Which path is what, and which methods it takes.

use hyper::Method;
use store::{Collection, Listing};

use super::accounts::AccountRoute;
use super::openapi;
use super::target::{Segment, segments};
use crate::access::Subject;

/// What lists are taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// Devices.
    Devices,
    /// Anything else.
    Documents(Listing),
}

/// What a path names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `/`
    Root,
    /// `/status`
    Status,
    /// `/<collection>`
    List(Listed),
    /// `/<collection>/<name>` of documents that operators write.
    Document(Collection, String),
    /// `/devices/<id>`
    Device(Segment),
    /// `/devices/<id>/tags/<tag>`
    Tag(Segment, String),
    /// `/devices/<id>/tasks`
    DeviceTasks(Segment),
    /// `/devices/<id>/objects/<name>/refresh`
    Refresh(Segment, String),
    /// `/devices/<id>/plan`
    Plan(Segment),
    /// `/devices/<id>/credentials`
    Credentials(Segment),
    /// `/devices/<id>/connection_requests`
    ConnectionRequests(Segment),
    /// `/devices/<id>/sessions`
    Sessions(Segment),
    /// `/devices/<id>/sessions/<session>`
    Session(Segment, String),
    /// `/tasks/<id>`
    Task(String),
    /// `/tasks/<id>/retry`
    Retry(String),
    /// `/faults/<device>:<channel>`
    Fault(Segment),
    /// `/operations/<device>:<command key>`
    Operation(String),
    /// `/transfers/<device>:<command key>`
    Transfer(Segment),
    /// `/files/<name>`
    File(String),
    /// `/uploads/<device>:<command key>`
    Upload(Segment),
    /// `/uploads/<device>:<command key>/content`
    UploadContent(Segment),
    /// `/repairs`
    Repairs,
    /// `/users`, `/permissions`, `/api_keys`, and what is below
    Account(AccountRoute),
    /// `/health`
    Health,
    /// `/openapi.json`
    OpenApi,
    /// `/events`
    Events,
    /// `/ping/<host>`
    Ping(String),
    /// `/starstate/…`, `/devices/<id>/starstate`
    StarState(StarStateRoute),
}

/// What a path of StarState names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StarStateRoute {
    /// `/starstate/documents`
    Documents,
    /// `/starstate/documents/<name>`
    Document(String),
    /// `/starstate/sessions`
    Sessions,
    /// `/starstate/sessions/<session>`
    Session(String),
    /// `/starstate/sessions/<session>/generated`
    Generated(String),
    /// `/starstate/sessions/<session>/<action>`
    Action(String, String),
    /// `/devices/<id>/starstate`
    OfDevice(Segment),
}

/// Documents that are read and written over the NBI as they are. Users, API keys and permissions are not: see `accounts`.
const OPEN_COLLECTIONS: [Collection; 5] = [
    Collection::Presets,
    Collection::Provisions,
    Collection::VirtualParameters,
    Collection::Objects,
    Collection::Config,
];

/// A collection's name without the differences in spelling that clients have: `virtual_parameters`, `virtualParameters`,
/// `virtualparameters`.
pub fn plain_name(name: &str) -> String {
    name.chars().filter(|letter| *letter != '_').flat_map(char::to_lowercase).collect()
}

impl Listed {
    fn named(name: &str) -> Option<Listed> {
        let name = plain_name(name);
        let documents = OPEN_COLLECTIONS.into_iter().find(|collection| plain_name(collection.name()) == name);
        match (name.as_str(), documents) {
            ("devices", _) => Some(Listed::Devices),
            ("tasks", _) => Some(Listed::Documents(Listing::Tasks)),
            ("faults", _) => Some(Listed::Documents(Listing::Faults)),
            ("operations", _) => Some(Listed::Documents(Listing::Operations)),
            ("transfers", _) => Some(Listed::Documents(Listing::Transfers)),
            ("files", _) => Some(Listed::Documents(Listing::Files)),
            ("uploads", _) => Some(Listed::Documents(Listing::Uploads)),
            (_, Some(collection)) => Some(Listed::Documents(Listing::Documents(collection))),
            _ => None,
        }
    }

    /// The name that queries and scopes know it by.
    pub fn name(self) -> &'static str {
        match self {
            Listed::Devices => "devices",
            Listed::Documents(Listing::Tasks) => "tasks",
            Listed::Documents(Listing::Faults) => "faults",
            Listed::Documents(Listing::Operations) => "operations",
            Listed::Documents(Listing::Transfers) => "transfers",
            Listed::Documents(Listing::Files) => "files",
            Listed::Documents(Listing::Uploads) => "uploads",
            Listed::Documents(Listing::Documents(collection)) => collection.name(),
        }
    }

    /// The name as it is written in paths.
    fn path_name(self) -> &'static str {
        match self {
            Listed::Documents(Listing::Documents(Collection::VirtualParameters)) => "virtual_parameters",
            other => other.name(),
        }
    }
}

impl Route {
    /// What a path names; `None` when nothing, or nothing that is described.
    pub fn find(path: &str) -> Option<Route> {
        Route::named(path).filter(|route| openapi::describes(&route.template()))
    }

    fn named(path: &str) -> Option<Route> {
        let segments = segments(path);
        let Some((first, rest)) = segments.split_first() else { return Some(Route::Root) };
        if rest.is_empty() && plain_name(&first.text) == "repairs" {
            return Some(Route::Repairs);
        }
        if first.text == "status" && rest.is_empty() {
            return Some(Route::Status);
        }
        if let Some(account) = AccountRoute::find(&first.text, rest) {
            return Some(Route::Account(account));
        }
        let text = |segment: &Segment| segment.text.clone();
        match (first.text.as_str(), rest) {
            ("health", []) => return Some(Route::Health),
            ("openapi.json", []) => return Some(Route::OpenApi),
            ("events", []) => return Some(Route::Events),
            ("ping", [host]) => return Some(Route::Ping(text(host))),
            ("starstate", rest) => return StarStateRoute::find(rest).map(Route::StarState),
            _ => {}
        }
        let listed = Listed::named(&first.text)?;
        match (listed, rest) {
            (_, []) => Some(Route::List(listed)),
            (Listed::Devices, [id]) => Some(Route::Device(id.clone())),
            (Listed::Devices, [id, what]) if what.text == "tasks" => Some(Route::DeviceTasks(id.clone())),
            (Listed::Devices, [id, what]) if what.text == "plan" => Some(Route::Plan(id.clone())),
            (Listed::Devices, [id, what]) if what.text == "credentials" => Some(Route::Credentials(id.clone())),
            (Listed::Devices, [id, what]) if plain_name(&what.text) == "connectionrequests" => {
                Some(Route::ConnectionRequests(id.clone()))
            }
            (Listed::Devices, [id, what]) if what.text == "starstate" => {
                Some(Route::StarState(StarStateRoute::OfDevice(id.clone())))
            }
            (Listed::Devices, [id, what]) if what.text == "sessions" => Some(Route::Sessions(id.clone())),
            (Listed::Devices, [id, what, session]) if what.text == "sessions" => {
                Some(Route::Session(id.clone(), text(session)))
            }
            (Listed::Devices, [id, what, object, verb]) if what.text == "objects" && verb.text == "refresh" => {
                Some(Route::Refresh(id.clone(), text(object)))
            }
            (Listed::Devices, [id, what, tag]) if what.text == "tags" => Some(Route::Tag(id.clone(), text(tag))),
            (Listed::Documents(Listing::Tasks), [id]) => Some(Route::Task(text(id))),
            (Listed::Documents(Listing::Tasks), [id, what]) if what.text == "retry" => Some(Route::Retry(text(id))),
            (Listed::Documents(Listing::Faults), [id]) => Some(Route::Fault(id.clone())),
            (Listed::Documents(Listing::Operations), [id]) => Some(Route::Operation(text(id))),
            (Listed::Documents(Listing::Transfers), [id]) => Some(Route::Transfer(id.clone())),
            (Listed::Documents(Listing::Files), [name]) => Some(Route::File(text(name))),
            (Listed::Documents(Listing::Uploads), [id]) => Some(Route::Upload(id.clone())),
            (Listed::Documents(Listing::Uploads), [id, what]) if what.text == "content" => {
                Some(Route::UploadContent(id.clone()))
            }
            (Listed::Documents(Listing::Documents(collection)), [name]) => {
                Some(Route::Document(collection, text(name)))
            }
            _ => None,
        }
    }

    /// The path's template in the description of the API.
    pub fn template(&self) -> String {
        let template = match self {
            Route::Root => "/",
            Route::Status => "/status",
            Route::Health => "/health",
            Route::OpenApi => "/openapi.json",
            Route::Events => "/events",
            Route::Ping(_) => "/ping/{host}",
            Route::Repairs => "/repairs",
            Route::List(listed) => return format!("/{}", listed.path_name()),
            Route::Document(collection, _) => {
                let listed = Listed::Documents(Listing::Documents(*collection));
                return format!("/{}/{{name}}", listed.path_name());
            }
            Route::Device(_) => "/devices/{id}",
            Route::Tag(..) => "/devices/{id}/tags/{tag}",
            Route::DeviceTasks(_) => "/devices/{id}/tasks",
            Route::Refresh(..) => "/devices/{id}/objects/{object}/refresh",
            Route::Plan(_) => "/devices/{id}/plan",
            Route::Credentials(_) => "/devices/{id}/credentials",
            Route::ConnectionRequests(_) => "/devices/{id}/connection_requests",
            Route::Sessions(_) => "/devices/{id}/sessions",
            Route::Session(..) => "/devices/{id}/sessions/{session}",
            Route::Task(_) => "/tasks/{id}",
            Route::Retry(_) => "/tasks/{id}/retry",
            Route::Fault(_) => "/faults/{id}",
            Route::Operation(_) => "/operations/{id}",
            Route::Transfer(_) => "/transfers/{id}",
            Route::File(_) => "/files/{name}",
            Route::Upload(_) => "/uploads/{id}",
            Route::UploadContent(_) => "/uploads/{id}/content",
            Route::StarState(route) => route.template(),
            Route::Account(account) => account.template(),
        };
        template.to_owned()
    }

    /// Whether a change of it changes what sessions do.
    pub fn is_configuration(&self) -> bool {
        match self {
            Route::List(Listed::Documents(Listing::Documents(collection))) | Route::Document(collection, _) => {
                collection.is_configuration()
            }
            // Download tells a file's length.
            Route::File(_) => true,
            _ => false,
        }
    }

    /// The methods that it takes.
    pub fn methods(&self) -> &'static [Method] {
        const READ: &[Method] = &[Method::GET, Method::HEAD];
        const READ_OR_ADD: &[Method] = &[Method::GET, Method::HEAD, Method::POST];
        const READ_OR_DELETE: &[Method] = &[Method::GET, Method::HEAD, Method::DELETE];
        const READ_OR_WRITE: &[Method] = &[Method::GET, Method::HEAD, Method::PUT, Method::DELETE];
        const READ_OR_STORE: &[Method] = &[Method::GET, Method::HEAD, Method::PUT, Method::POST, Method::DELETE];
        const ADD: &[Method] = &[Method::POST];
        const WRITE: &[Method] = &[Method::PUT, Method::DELETE];
        const ADD_OR_DELETE: &[Method] = &[Method::POST, Method::DELETE];
        match self {
            Route::List(Listed::Documents(Listing::Documents(_))) => READ_OR_ADD,
            Route::Root
            | Route::Status
            | Route::List(_)
            | Route::Operation(_)
            | Route::ConnectionRequests(_)
            | Route::Sessions(_)
            | Route::Session(..)
            | Route::Transfer(_)
            | Route::UploadContent(_)
            | Route::Repairs
            | Route::Health
            | Route::OpenApi
            | Route::Events
            | Route::Ping(_) => READ,
            Route::Document(..) => READ_OR_STORE,
            Route::File(_) => READ_OR_WRITE,
            Route::Device(_) | Route::Task(_) | Route::Fault(_) | Route::Upload(_) => READ_OR_DELETE,
            Route::Tag(..) => ADD_OR_DELETE,
            Route::Credentials(_) => WRITE,
            Route::DeviceTasks(_) | Route::Refresh(..) | Route::Plan(_) | Route::Retry(_) => ADD,
            Route::StarState(route) => match route {
                StarStateRoute::Document(_) => READ_OR_WRITE,
                StarStateRoute::Sessions => READ_OR_ADD,
                StarStateRoute::Action(..) => ADD,
                _ => READ,
            },
            Route::Account(account) => account.methods(),
        }
    }

    /// What whoever asks must have access to; `None` for what is for everybody who is known, and for accounts, which have rules of
    /// their own. For keys, queueing a task is a matter of tasks, and events and pings are their own; for users, all of these are of
    /// devices.
    pub fn subject(&self) -> Option<Subject> {
        let collection = self.collection()?;
        let resource = match self {
            Route::DeviceTasks(_) | Route::Refresh(..) | Route::Events | Route::Ping(_) => "devices",
            _ => collection,
        };
        Some(Subject { collection, resource })
    }

    fn collection(&self) -> Option<&'static str> {
        match self {
            Route::Root | Route::Status | Route::Health | Route::OpenApi | Route::Account(_) => None,
            Route::Events => Some("events"),
            Route::Ping(_) => Some("ping"),
            Route::StarState(StarStateRoute::Documents | StarStateRoute::Document(_)) => Some("starstateDocuments"),
            Route::StarState(_) => Some("starstateSessions"),
            Route::List(listed) => Some(listed.name()),
            Route::Document(collection, _) => Some(collection.name()),
            Route::Device(_)
            | Route::Tag(..)
            | Route::Plan(_)
            | Route::Credentials(_)
            | Route::ConnectionRequests(_)
            | Route::Sessions(_)
            | Route::Session(..)
            | Route::Repairs => Some("devices"),
            Route::DeviceTasks(_) | Route::Refresh(..) | Route::Task(_) | Route::Retry(_) => Some("tasks"),
            Route::Fault(_) => Some("faults"),
            Route::Operation(_) => Some("operations"),
            Route::Transfer(_) => Some("transfers"),
            Route::File(_) => Some("files"),
            Route::Upload(_) | Route::UploadContent(_) => Some("uploads"),
        }
    }
}

impl StarStateRoute {
    fn find(rest: &[Segment]) -> Option<StarStateRoute> {
        let text = |segment: &Segment| segment.text.clone();
        Some(match rest {
            [what] if what.text == "documents" => StarStateRoute::Documents,
            [what, name] if what.text == "documents" => StarStateRoute::Document(text(name)),
            [what] if what.text == "sessions" => StarStateRoute::Sessions,
            [what, id] if what.text == "sessions" => StarStateRoute::Session(text(id)),
            [what, id, part] if what.text == "sessions" && part.text == "generated" => {
                StarStateRoute::Generated(text(id))
            }
            [what, id, action] if what.text == "sessions" => StarStateRoute::Action(text(id), text(action)),
            _ => return None,
        })
    }

    fn template(&self) -> &'static str {
        match self {
            StarStateRoute::Documents => "/starstate/documents",
            StarStateRoute::Document(_) => "/starstate/documents/{name}",
            StarStateRoute::Sessions => "/starstate/sessions",
            StarStateRoute::Session(_) => "/starstate/sessions/{session}",
            StarStateRoute::Generated(_) => "/starstate/sessions/{session}/generated",
            StarStateRoute::Action(..) => "/starstate/sessions/{session}/{action}",
            StarStateRoute::OfDevice(_) => "/devices/{id}/starstate",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collections_are_found_in_every_spelling() {
        let parameters = Some(Route::List(Listed::Documents(Listing::Documents(Collection::VirtualParameters))));
        for path in ["/virtual_parameters", "/virtualParameters/", "//virtualparameters//", "/VirtualParameters"] {
            assert_eq!(Route::find(path), parameters, "{path}");
        }
    }

    #[test]
    fn what_is_not_for_everybody_is_not_there() {
        let paths = [
            "/deviceCredentials/x",
            "/device_credentials",
            "/connectionRequests",
            "/sessionTraces",
            "/session_traces/x",
            "/users/x/roles",
            "/permissions/x/password",
            "/cache",
            "/locks",
            "/nothing",
            "/a/b/c/d",
        ];
        for path in paths {
            assert_eq!(Route::find(path), None, "{path}");
        }
    }
}
