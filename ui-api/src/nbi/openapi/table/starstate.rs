//! The paths of StarState.

use super::{Content, PathItem, device_id, flag, in_path, in_query, list_parameters, operation, path, text};

pub fn paths() -> Vec<PathItem> {
    const TAG: &str = "starstate";
    let session = || in_path("session", "The session's _id");
    let document = || in_path("name", "The document's name");
    let issues = "Its mistakes, each with its JSON path";
    vec![
        path(
            "/starstate/documents",
            [],
            [operation("get", "list_starstate_documents", TAG, "List StarState documents").answers(
                200,
                "Their names",
                &[Content::List("StarStateDocumentHead")],
            )],
        ),
        path(
            "/starstate/documents/{name}",
            [document()],
            [
                operation("get", "get_starstate_document", TAG, "Show a document").answers(
                    200,
                    "Secrets are <secret> for those who may not see them",
                    &[Content::Json("StoredStarStateDocument")],
                ),
                operation("put", "put_starstate_document", TAG, "Store a document, whatever was there")
                    .takes(&[Content::Json("StarStateDocument")])
                    .answers(200, "Stored; the warnings say what is odd", &[Content::Json("StoredStarStateDocument")])
                    .answers(201, "The same, of a new one", &[Content::Json("StoredStarStateDocument")])
                    .answers(400, issues, &[Content::Json("StarStateIssues")]),
                operation("delete", "delete_starstate_document", TAG, "Delete a document").answers(200, "Deleted", &[]),
            ],
        ),
        path(
            "/starstate/sessions",
            [],
            [
                operation("get", "list_starstate_sessions", TAG, "List provisioning sessions")
                    .with(list_parameters())
                    .answers(200, "Their heads; the header total counts all", &[Content::List("StarStateSession")]),
                operation("post", "post_starstate_session", TAG, "Make a draft for a device's router")
                    .takes(&[Content::Json("NewStarStateSession")])
                    .answers(201, "The session", &[Content::Json("StarStateSession")])
                    .answers(400, issues, &[Content::Json("StarStateIssues")]),
            ],
        ),
        path(
            "/starstate/sessions/{session}",
            [session()],
            [operation("get", "get_starstate_session", TAG, "Show a session, without its secrets").answers(
                200,
                "The session",
                &[Content::Json("StarStateSession")],
            )],
        ),
        path(
            "/starstate/sessions/{session}/generated",
            [session()],
            [operation("get", "get_starstate_generated", TAG, "Show what the router made: keys, certificates, files")
                .with([in_query("host", "The router's public name or address, for files of VPN clients", text())])
                .answers(200, "Secrets for those who may see them", &[Content::Json("StarStateGenerated")])],
        ),
        path(
            "/starstate/sessions/{session}/{action}",
            [
                session(),
                in_path("action", "update, validate, plan, apply, cancel, retry, resume, rollback, remove or discard"),
            ],
            [operation("post", "act_on_starstate_session", TAG, "Do something with a session")
                .may_take(&[Content::Json("StarStateAction")])
                .answers(200, "Done: the session, or its plan", &[Content::Json("StarStateSession")])
                .answers(202, "It goes on in the background: the session", &[Content::Json("StarStateSession")])
                .answers(400, issues, &[Content::Json("StarStateIssues")])
                .answers(409, "It is not its turn", &[Content::Text])
                .answers(504, "The router could not be reached", &[Content::Text])],
        ),
        path(
            "/devices/{id}/starstate",
            [device_id()],
            [operation("get", "get_device_starstate", TAG, "How far the device's router is")
                .with([flag("drift", "Ask the router what somebody has changed by hand; its value does not matter")])
                .answers(200, "The job, its session, and the drift", &[Content::Json("StarStateOfDevice")])],
        ),
    ]
}
