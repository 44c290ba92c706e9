//! Documents that operators write: presets, provisions, virtual parameters, objects, config. What cannot work is refused when it is
//! saved, with every reason and its place; what is only odd is saved, with warnings.

use acs_core::expression::{self, FunctionSet};
use acs_core::path::is_name;
use hyper::StatusCode;
use presets::{ObjectTemplate, Preset, PresetProblem, Problems, Severity};
use serde_json::{Value as Json, json};
use store::{Collection, ScopedStore};

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

/// DELETE `/<collection>/<name>`. What is not there need not be deleted.
pub async fn delete(store: &ScopedStore, collection: Collection, name: &str) -> Result<Answer, Refusal> {
    store.delete(collection, name).await?;
    Ok(Answer::empty(StatusCode::OK))
}

async fn read(collection: Collection, name: &str, body: &[u8]) -> Result<Accepted, Refusal> {
    if name.trim().is_empty() {
        return Err(bad("Error: the name is empty"));
    }
    match collection {
        Collection::Presets => read_preset(name, read_json(body)?),
        Collection::Objects => read_object(read_json(body)?),
        Collection::Config => read_config(name, body),
        Collection::Provisions => read_script(name, body).await,
        Collection::VirtualParameters if !is_name(name) => {
            Err(bad("Error: the name of a virtual parameter has only letters, digits, - and _"))
        }
        Collection::VirtualParameters => read_script(name, body).await,
        Collection::Users
        | Collection::ApiKeys
        | Collection::Permissions
        | Collection::ConnectionRequests
        | Collection::DeviceCredentials => Err(Refusal::NotFound),
    }
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

fn read_preset(name: &str, document: Json) -> Result<Accepted, Refusal> {
    match Preset::from_document(name, &document) {
        Ok(preset) => Ok(Accepted { document, warnings: lines(&preset.warnings) }),
        Err(problems) => Err(bad(lines(&problems).join("\n"))),
    }
}

fn read_object(document: Json) -> Result<Accepted, Refusal> {
    let mut problems = Problems::default();
    ObjectTemplate::from_document(&document, "$", &mut problems);
    let has_errors = problems.has_errors();
    let problems = lines(&problems.into_list());
    if has_errors { Err(bad(problems.join("\n"))) } else { Ok(Accepted { document, warnings: problems }) }
}

fn lines(problems: &[PresetProblem]) -> Vec<String> {
    let line = |problem: &PresetProblem| match problem.severity {
        Severity::Error => problem.to_string(),
        Severity::Warning => format!("{problem} (warning)"),
    };
    problems.iter().map(line).collect()
}

/// `{"value": …}`, the value an expression in text form; numbers and booleans are expressions, too.
fn read_config(name: &str, body: &[u8]) -> Result<Accepted, Refusal> {
    let document: Json = serde_json::from_slice(body).map_err(|error| {
        bad(format!("SyntaxError: {error}; the body must be {{\"value\": expression}}, as {{\"value\": \"'text'\"}} or {{\"value\": 5}}"))
    })?;
    let text = match document.get("value") {
        Some(Json::String(text)) => text.clone(),
        Some(value @ (Json::Number(_) | Json::Bool(_))) => value.to_string(),
        Some(_) => return Err(bad("$.value: must be an expression in text form")),
        None => return Err(bad("Missing 'value' property")),
    };
    let parsed = expression::parse(&text).map_err(|error| bad(format!("SyntaxError: $.value: {error}")))?;
    let functions = match name {
        "cwmp.auth" => Some(FunctionSet::AUTHENTICATION),
        "cwmp.connectionRequestAuth" => Some(FunctionSet::CONNECTION_REQUEST),
        _ => None,
    };
    if let Some(problem) = functions.and_then(|functions| parsed.check(functions).into_iter().next()) {
        return Err(bad(format!("Error: $.value: {problem}")));
    }
    Ok(Accepted { document: json!({ "value": text }), warnings: Vec::new() })
}

/// The script itself, or `{"script": …}`.
async fn read_script(name: &str, body: &[u8]) -> Result<Accepted, Refusal> {
    let script = match serde_json::from_slice(body) {
        Ok(Json::Object(map)) => match map.get("script") {
            Some(Json::String(script)) => script.clone(),
            _ => return Err(bad("Missing 'script' property")),
        },
        _ => read_text(body)?.to_owned(),
    };
    let (name, source) = (name.to_owned(), script.clone());
    // Compiling takes its time, and waits for a thread with a large stack.
    let examined = tokio::task::spawn_blocking(move || examine(&name, &source)).await;
    let warnings =
        examined.unwrap_or_else(|_| Err("Error: the script could not be examined".to_owned())).map_err(bad)?;
    Ok(Accepted { document: json!({ "script": script }), warnings })
}

/// Warnings, or why the script does not work, one line each.
fn examine(name: &str, source: &str) -> Result<Vec<String>, String> {
    if let Err(error) = sandbox::compile(name, source) {
        return Err(format!("SyntaxError: {error}"));
    }
    let findings = sandbox::check(name, source);
    let lines = |wanted: sandbox::Severity| -> Vec<String> {
        let of_kind = findings.iter().filter(|finding| finding.severity == wanted);
        of_kind
            .map(|finding| format!("{name}: line {}, column {}: {}", finding.line, finding.column, finding.message))
            .collect()
    };
    let errors = lines(sandbox::Severity::Error);
    if errors.is_empty() { Ok(lines(sandbox::Severity::Warning)) } else { Err(format!("Error: {}", errors.join("\n"))) }
}
