//! What bodies look like.

use serde_json::{Value as Json, json};

/// The schemas by name.
pub fn all() -> Json {
    let mut all = common();
    for (name, schema) in starstate().as_object_mut().map(std::mem::take).into_iter().flatten() {
        all[name] = schema;
    }
    all
}

/// Those of StarState.
fn starstate() -> Json {
    let any_object = |meaning: &str| json!({ "type": "object", "description": meaning });
    json!({
        "StarStateDocument": any_object("What a whole router is to be; both spellings are taken"),
        "StarStateDocumentHead": {
            "type": "object",
            "properties": {
                "_id": { "type": "string" },
                "updatedAt": { "type": "string", "format": "date-time" },
                "warnings": { "type": "array", "items": { "$ref": "#/components/schemas/StarStateIssue" } },
            },
        },
        "StoredStarStateDocument": {
            "type": "object",
            "properties": {
                "_id": { "type": "string" },
                "updatedAt": { "type": "string", "format": "date-time" },
                "warnings": { "type": "array", "items": { "$ref": "#/components/schemas/StarStateIssue" } },
                "document": { "$ref": "#/components/schemas/StarStateDocument" },
            },
        },
        "StarStateIssue": {
            "type": "object",
            "properties": {
                "path": { "type": "string", "examples": ["$.wan.wanLink.foreign.wanConfigs[0].name"] },
                "severity": { "enum": ["warning", "error"] },
                "message": { "type": "string" },
            },
        },
        "StarStateIssues": {
            "type": "object",
            "properties": {
                "issues": { "type": "array", "items": { "$ref": "#/components/schemas/StarStateIssue" } },
            },
        },
        "NewStarStateSession": {
            "type": "object",
            "required": ["device", "document"],
            "properties": {
                "device": { "type": "string" },
                "document": { "type": ["string", "object"], "description": "The name of a document, or a document" },
            },
        },
        "StarStateAction": {
            "type": "object",
            "properties": {
                "fingerprint": { "type": "string", "description": "With apply: the plan that was reviewed" },
                "document": { "type": ["string", "object"], "description": "With update" },
                "options": {
                    "type": "object",
                    "properties": { "address": { "type": "string" }, "port": { "type": "integer" } },
                },
            },
        },
        "StarStateSession": {
            "type": "object",
            "properties": {
                "_id": { "type": "string" },
                "device": { "type": "string" },
                "status": { "enum": ["draft", "validated", "applying", "applied", "failed", "discarded"] },
                "createdAt": { "type": "string", "format": "date-time" },
                "updatedAt": { "type": "string", "format": "date-time" },
            },
        },
        "StarStateGenerated": any_object("`generated`: step, resource, name and value of each; `clientFiles`: name, mediaType and content of each"),
        "StarStateOfDevice": any_object("`job`, `session` and `drift`; null where there is none"),
    })
}

fn common() -> Json {
    let any_object = |meaning: &str| json!({ "type": "object", "description": meaning });
    let path_names = json!({ "type": "array", "items": { "type": "string" } });
    let scalar = json!({ "type": ["string", "number", "boolean"] });
    json!({
        "Device": {
            "type": "object",
            "description": "Nested by path segments; keys that begin with _ are bookkeeping",
            "properties": {
                "_id": { "type": "string" },
                "_deviceId": {
                    "type": "object",
                    "properties": {
                        "_Manufacturer": { "type": "string" },
                        "_OUI": { "type": "string" },
                        "_ProductClass": { "type": "string" },
                        "_SerialNumber": { "type": "string" },
                    },
                },
                "_registered": { "type": "string", "format": "date-time" },
                "_lastInform": { "type": "string", "format": "date-time" },
                "_tags": { "type": "array", "items": { "type": "string" } },
            },
        },
        "Task": {
            "type": "object",
            "required": ["name"],
            "description": "docs/nbi.md has the properties of each task",
            "properties": {
                "name": {
                    "type": "string",
                    "description": "Or a vendor's method: X_<OUI>_<name>",
                    "examples": ["getParameterValues", "setParameterValues", "refreshObject", "reboot"],
                },
                "parameterNames": path_names,
                "parameterValues": {
                    "type": "array",
                    "items": { "type": "array", "minItems": 2, "maxItems": 3, "items": scalar },
                    "description": "[name, value, type?]",
                },
                "objectName": { "type": "string" },
                "fileType": { "type": "string" },
                "fileName": { "type": "string" },
                "targetFileName": { "type": "string" },
                "file": { "type": "string", "description": "The name of a stored file" },
                "commandKey": { "type": "string" },
                "delaySeconds": { "type": "integer", "minimum": 1 },
                "provisions": { "type": "array", "items": { "type": "array", "minItems": 1 } },
                "timestamp": { "type": ["string", "number"], "description": "Not before" },
                "expiry": { "type": ["string", "number"], "description": "Seconds after timestamp, or a date" },
                "uniqueKey": { "type": "string", "description": "Replaces the device's open task with the same key" },
            },
        },
        "StoredTask": {
            "type": "object",
            "required": ["_id", "device", "name"],
            "properties": {
                "_id": { "type": "string" },
                "device": { "type": "string" },
                "name": { "type": "string" },
                "timestamp": { "type": "string", "format": "date-time" },
                "state": { "type": "string" },
                "reason": { "type": "string" },
            },
        },
        "Preset": {
            "type": "object",
            "properties": {
                "weight": { "type": "number" },
                "channel": { "type": "string" },
                "events": { "type": "object", "additionalProperties": { "type": "boolean" } },
                "schedule": { "type": "string" },
                "timezone": { "type": "string" },
                "precondition": { "type": ["string", "boolean"] },
                "provisions": { "type": "array", "items": { "type": ["string", "array"] } },
                "configurations": { "type": "array", "items": { "type": "object" } },
            },
        },
        "Script": {
            "type": "object",
            "required": ["script"],
            "properties": { "script": { "type": "string", "description": "Rhai" } },
        },
        "Object": any_object("A template of an old add_object configuration"),
        "ConfigValue": {
            "type": "object",
            "required": ["value"],
            "properties": { "value": { "type": ["string", "number", "boolean"], "description": "An expression" } },
        },
        "Fault": {
            "type": "object",
            "properties": {
                "_id": { "type": "string", "description": "<device>:<channel>" },
                "device": { "type": "string" },
                "channel": { "type": "string" },
                "code": { "type": "string" },
                "message": { "type": "string" },
                "retries": { "type": "integer" },
            },
        },
        "Operation": any_object("What a device is still to report"),
        "Transfer": any_object("What became of a file that a device was told to fetch or to send"),
        "File": any_object("A file's description"),
        "Repair": any_object("What was forgiven of a model"),
        "Status": any_object("Counters, and what they are now"),
        "OpenApi": any_object("This document"),
        "ConnectionRequests": any_object("What came of each method"),
        "Stored": { "type": "object", "required": ["_id"], "properties": { "_id": { "type": "string" } } },
        "Session": {
            "type": "object",
            "required": ["_id", "device", "node", "began", "ended", "remoteAddress", "events", "outcome", "stored"],
            "properties": {
                "_id": { "type": "string" },
                "device": { "type": "string" },
                "node": { "type": "string" },
                "began": { "type": "string", "format": "date-time" },
                "ended": { "type": "string", "format": "date-time" },
                "remoteAddress": { "type": "string" },
                "events": { "type": "array", "items": { "type": "string" } },
                "outcome": { "enum": ["completed", "failed"] },
                "reason": { "type": "string" },
                "stored": { "type": "boolean" },
                "steps": { "type": "array", "items": { "type": "object" } },
            },
        },
        "Health": {
            "type": "object",
            "required": ["ready", "reasons"],
            "properties": {
                "ready": { "type": "boolean" },
                "reasons": { "type": "array", "items": { "type": "string" } },
            },
        },
        "Event": {
            "type": "object",
            "required": ["cursor", "kind", "device", "at", "detail"],
            "properties": {
                "cursor": { "type": "integer" },
                "kind": { "type": "string" },
                "device": { "type": "string" },
                "at": { "type": "string", "format": "date-time" },
                "detail": {},
            },
        },
        "Credentials": {
            "type": "object",
            "required": ["username", "password"],
            "properties": { "username": { "type": "string" }, "password": { "type": "string" } },
        },
        "PlanRequest": {
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "presets": { "type": "boolean" },
                "provision": { "type": "string" },
                "script": { "type": "string" },
                "set": { "type": "object", "additionalProperties": scalar },
                "events": { "type": "array", "items": { "type": "string" } },
            },
        },
        "User": {
            "type": "object",
            "properties": {
                "roles": { "type": ["string", "array"], "description": "With commas, or a list" },
                "password": { "type": "string", "writeOnly": true },
            },
        },
        "NewPassword": {
            "type": "object",
            "required": ["newPassword"],
            "properties": {
                "newPassword": { "type": "string" },
                "authPassword": { "type": "string", "description": "The present one, of who changes his own" },
            },
        },
        "Permission": {
            "type": "object",
            "properties": { "filter": { "type": "string" }, "validate": { "type": "string" } },
        },
        "ApiKey": any_object("A key's name and what it may do"),
        "NewApiKey": {
            "type": "object",
            "required": ["name", "methods", "collections"],
            "properties": {
                "name": { "type": "string" },
                "methods": path_names,
                "collections": path_names,
                "devices": { "type": "string", "description": "A filter expression" },
                "reveal": { "type": "boolean" },
                "expires": { "type": "string", "format": "date-time" },
            },
        },
        "MadeApiKey": {
            "type": "object",
            "required": ["_id", "name", "key"],
            "properties": { "_id": { "type": "string" }, "name": { "type": "string" }, "key": { "type": "string" } },
        },
        "Plan": {
            "type": "object",
            "required": ["requests", "changes", "faults", "log"],
            "properties": {
                "requests": { "type": "array" },
                "changes": { "type": "array" },
                "faults": { "type": "array" },
                "log": { "type": "array" },
            },
        },
    })
}
