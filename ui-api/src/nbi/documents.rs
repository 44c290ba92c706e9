//! Documents that operators write: presets, provisions, virtual parameters, objects, config. What cannot work is refused when it is
//! saved, with every reason and its place; what is only odd is saved, with warnings.

use hyper::StatusCode;
use serde_json::{Value as Json, json};
use store::{Collection, ScopedStore};

use super::document_check::{DocumentProblem, check_document};
use super::lists::View;
use crate::answer::{Answer, Refusal};

/// A document that may be stored.
struct Accepted {
    document: Json,
    warnings: Vec<String>,
}

/// GET `/<collection>/<name>`
pub async fn get(store: &ScopedStore, collection: Collection, name: &str, view: &View) -> Result<Answer, Refusal> {
    match store.get(collection, name).await? {
        Some(document) => Ok(Answer::json(StatusCode::OK, &view.show(document))),
        None => Err(Refusal::NotFound),
    }
}

/// PUT `/<collection>/<name>`
pub async fn put(store: &ScopedStore, collection: Collection, name: &str, body: &[u8]) -> Result<Answer, Refusal> {
    let accepted = read(collection, name, body).await?;
    store.put(collection, name, accepted.document).await?;
    Ok(Answer::empty(StatusCode::OK).warnings(accepted.warnings))
}

/// POST `/<collection>`: PUT with the name in the document, as `_id` or `name`.
pub async fn post(store: &ScopedStore, collection: Collection, body: &[u8]) -> Result<Answer, Refusal> {
    let mut document = read_json(body)?;
    let name = ["_id", "name"].iter().find_map(|field| Some(document.get(field)?.as_str()?.to_owned()));
    let name = name.ok_or_else(|| bad("Missing '_id' property"))?;
    if document.get("_id").is_none()
        && let Json::Object(map) = &mut document
    {
        map.shift_remove("name");
    }
    put(store, collection, &name, document.to_string().as_bytes()).await
}

/// POST `/<collection>/<name>`: PUT for clients that expect a document in answer.
pub async fn post_named(
    store: &ScopedStore,
    collection: Collection,
    name: &str,
    body: &[u8],
) -> Result<Answer, Refusal> {
    let accepted = read(collection, name, body).await?;
    store.put(collection, name, accepted.document).await?;
    Ok(Answer::json(StatusCode::OK, &json!({ "_id": name })).warnings(accepted.warnings))
}

/// DELETE `/<collection>/<name>`. What is not there need not be deleted.
pub async fn delete(store: &ScopedStore, collection: Collection, name: &str) -> Result<Answer, Refusal> {
    store.delete(collection, name).await?;
    Ok(Answer::empty(StatusCode::OK))
}

async fn read(collection: Collection, name: &str, body: &[u8]) -> Result<Accepted, Refusal> {
    let document = match collection {
        Collection::Presets | Collection::Objects => read_json(body)?,
        Collection::Config => config_document(body)?,
        Collection::Provisions | Collection::VirtualParameters => script_document(body)?,
        Collection::Users
        | Collection::ApiKeys
        | Collection::ApiKeyUses
        | Collection::Permissions
        | Collection::ConnectionRequests
        | Collection::DeviceCredentials
        | Collection::SessionTraces
        | Collection::StarstateDocuments
        | Collection::StarstateSessions
        | Collection::StarstateJobs => return Err(Refusal::NotFound),
    };
    let problems = check_document(collection, name, &document).await;
    let lines =
        |problems: &[DocumentProblem]| -> Vec<String> { problems.iter().map(|found| found.line(name)).collect() };
    if problems.iter().any(|problem| problem.is_error) {
        return Err(bad(lines(&problems).join("\n")));
    }
    Ok(Accepted { document, warnings: lines(&problems) })
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::BadRequest(message.into())
}

/// A body as JSON.
pub fn read_json(body: &[u8]) -> Result<Json, Refusal> {
    serde_json::from_slice(body).map_err(|error| bad(format!("SyntaxError: {error}")))
}

fn read_text(body: &[u8]) -> Result<&str, Refusal> {
    let text = std::str::from_utf8(body).map_err(|error| bad(format!("SyntaxError: the text is no UTF-8: {error}")))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// `{"value": …}`, the value an expression in text form; numbers and booleans are expressions, too.
fn config_document(body: &[u8]) -> Result<Json, Refusal> {
    let document: Json = serde_json::from_slice(body).map_err(|error| {
        bad(format!("SyntaxError: {error}; the body must be {{\"value\": expression}}, as {{\"value\": \"'text'\"}} or {{\"value\": 5}}"))
    })?;
    match document.get("value") {
        Some(value @ (Json::Number(_) | Json::Bool(_))) => Ok(json!({ "value": value.to_string() })),
        Some(value) => Ok(json!({ "value": value })),
        None => Err(bad("Missing 'value' property")),
    }
}

/// The script itself, or `{"script": …}`.
fn script_document(body: &[u8]) -> Result<Json, Refusal> {
    match serde_json::from_slice(body) {
        Ok(Json::Object(map)) => match map.get("script") {
            Some(script @ Json::String(_)) => Ok(json!({ "script": script })),
            _ => Err(bad("Missing 'script' property")),
        },
        _ => Ok(json!({ "script": read_text(body)? })),
    }
}
