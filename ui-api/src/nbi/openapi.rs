//! The API described for machines: OpenAPI 3.1, made of the table that also says which paths are served ([`table`]). A path that is
//! not in the table is answered with 404, so none can be left out of the description. `docs/openapi.json` is this document; a test
//! compares them.

mod schemas;
mod table;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Map, Value as Json, json};

use table::{Content, Operation, Parameter, Place};

/// The templates of all paths that are served.
static TEMPLATES: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| table::paths().into_iter().map(|path| path.template).collect());

/// Whether a path's template is described.
pub fn describes(template: &str) -> bool {
    TEMPLATES.contains(template)
}

/// The description.
pub fn document() -> Json {
    let mut paths = Map::new();
    for path in table::paths() {
        let mut item = Map::new();
        let parameters: Vec<Json> = path.parameters.iter().map(parameter).collect();
        if !parameters.is_empty() {
            item.insert("parameters".to_owned(), parameters.into());
        }
        for operation in &path.operations {
            item.insert(operation.method.to_owned(), describe(operation));
        }
        paths.insert(path.template, item.into());
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Lodestar NBI",
            "summary": "The REST API of a TR-069 auto configuration server",
            "description": "Every request but `GET /health` needs an API key or a user. docs/nbi.md tells more.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "apiKey": [] }, { "bearer": [] }, { "basic": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas::all(),
            "securitySchemes": {
                "apiKey": { "type": "apiKey", "in": "header", "name": "X-API-Key" },
                "bearer": { "type": "http", "scheme": "bearer" },
                "basic": { "type": "http", "scheme": "basic", "description": "A user, or a key as password" },
            },
        },
    })
}

fn describe(operation: &Operation) -> Json {
    let mut out = json!({ "operationId": operation.id, "summary": operation.summary, "tags": [operation.tag] });
    if !operation.parameters.is_empty() {
        out["parameters"] = operation.parameters.iter().map(parameter).collect();
    }
    if let Some(body) = &operation.body {
        out["requestBody"] = json!({ "required": body.is_required, "content": content(&body.content) });
    }
    if operation.is_public {
        out["security"] = json!([]);
    }
    let mut responses = Map::new();
    for (status, meaning, body) in &operation.answers {
        let mut response = json!({ "description": meaning });
        if !body.is_empty() {
            response["content"] = content(body);
        }
        responses.insert(status.to_string(), response);
    }
    let text = content(&[Content::Text]);
    responses.insert("4XX".to_owned(), json!({ "description": "What is wrong with the request", "content": text }));
    responses.insert("5XX".to_owned(), json!({ "description": "What failed", "content": text }));
    out["responses"] = responses.into();
    out
}

fn content(contents: &[Content]) -> Json {
    let entries = contents.iter().map(|content| {
        let (media, schema) = match content {
            Content::Json(name) => ("application/json", reference(name)),
            Content::List(name) => ("application/json", json!({ "type": "array", "items": reference(name) })),
            Content::Text => ("text/plain", json!({ "type": "string" })),
            Content::Bytes => ("application/octet-stream", json!({})),
            Content::Events => ("text/event-stream", json!({ "type": "string" })),
        };
        (media.to_owned(), json!({ "schema": schema }))
    });
    Json::Object(entries.collect())
}

fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn parameter(parameter: &Parameter) -> Json {
    let (place, is_required) = match parameter.place {
        Place::Path => ("path", true),
        Place::Query => ("query", false),
        Place::Header => ("header", false),
    };
    let mut out = json!({
        "name": parameter.name,
        "in": place,
        "required": is_required,
        "description": parameter.meaning,
        "schema": parameter.schema,
    });
    if parameter.may_be_empty {
        out["allowEmptyValue"] = true.into();
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::Path;

    use super::super::routes::Route;
    use super::*;

    /// A path of a template.
    fn sample(template: &str) -> String {
        template.replace("{id}", "0A1B2C-Box-1:x").replace('{', "a").replace('}', "")
    }

    #[test]
    fn what_is_described_is_what_is_served() {
        for path in table::paths() {
            let route =
                Route::find(&sample(&path.template)).unwrap_or_else(|| panic!("{} is not served", path.template));
            assert_eq!(route.template(), path.template);
            let mut served: BTreeSet<String> =
                route.methods().iter().map(|method| method.as_str().to_lowercase()).collect();
            if served.contains("get") {
                assert!(served.remove("head"), "{}: GET without HEAD", path.template);
            }
            let described: BTreeSet<String> =
                path.operations.iter().map(|operation| operation.method.to_owned()).collect();
            assert_eq!(described, served, "{}", path.template);
            for parameter in path.parameters {
                assert!(path.template.contains(&format!("{{{}}}", parameter.name)), "{}", path.template);
            }
        }
    }

    #[test]
    fn operations_have_names_of_their_own_and_schemas_exist() {
        let document = document();
        let mut names = BTreeSet::new();
        for path in table::paths() {
            for operation in &path.operations {
                assert!(names.insert(operation.id.clone()), "{} is there twice", operation.id);
            }
        }
        let text = document.to_string();
        for piece in text.split("#/components/schemas/").skip(1) {
            let name = piece.split('"').next().unwrap();
            assert!(document["components"]["schemas"].get(name).is_some(), "no schema {name}");
        }
    }

    /// Run with `LODESTAR_UPDATE_OPENAPI=1` to write the file anew.
    #[test]
    fn the_document_is_checked_in() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
        let text = format!("{:#}\n", document());
        if std::env::var_os("LODESTAR_UPDATE_OPENAPI").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        let stored = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(stored == text, "docs/openapi.json is out of date: run this test with LODESTAR_UPDATE_OPENAPI=1");
    }
}
