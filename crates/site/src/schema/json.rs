//! The JSON Schemas of a site file and of the settings, for editors. They are a little more lenient than the reader: they cannot know
//! what a hostname is, nor which keys exclude each other under which circumstances.

use serde_json::{Map, Value, json};

use super::{
    settings_keys, site_keys,
    table::{Shape, Table},
};

/// A duration as `parse_duration` of `names` takes it.
const DURATION: &str = "^([0-9]+(ms|s|m|h|d))+$";
/// A rate as the reader of settings takes it.
const RATE: &str = "^(none|[0-9]+ */ *([0-9]+(ms|s|m|h|d))+)$";
/// A size as `ByteSize::parse` of `names` takes it.
const SIZE: &str = "^[0-9]+ *([KMGTkmgt]([iI]?[bB])?|[bB])?$";

/// The JSON Schema (draft 2020-12) of a site file.
pub fn site_schema() -> Value {
    let mut schema = mapping(&site_keys::SITE);
    let root = schema.as_object_mut().expect("the schema of a mapping is an object");
    root.insert("required".into(), json!(["hosts"]));
    root.insert(
        "anyOf".into(),
        json!([{"required": ["upstream"]}, {"required": ["redirect"]}, {"required": ["respond"]}, {"required": ["routes"]}]),
    );
    titled("Vestibule site file", schema)
}

/// The JSON Schema (draft 2020-12) of the settings file.
pub fn settings_schema() -> Value {
    titled("Vestibule settings file", mapping(&settings_keys::SETTINGS))
}

fn titled(title: &str, schema: Value) -> Value {
    let mut head = Map::new();
    head.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    head.insert("title".into(), json!(title));
    if let Value::Object(schema) = schema {
        head.extend(schema);
    }
    Value::Object(head)
}

/// More than one of the keys that lead somewhere: they exclude each other.
fn two_actions() -> Value {
    json!({"anyOf": [
        {"required": ["upstream", "redirect"]},
        {"required": ["upstream", "respond"]},
        {"required": ["redirect", "respond"]},
    ]})
}

fn mapping(table: &Table) -> Value {
    let properties: Map<String, Value> = table
        .keys
        .iter()
        .map(|key| {
            let mut schema = shape(&key.shape);
            if let Some(schema) = schema.as_object_mut() {
                schema.insert("description".into(), json!(key.doc));
                schema.insert("examples".into(), json!([key.example]));
            }
            (key.name.to_owned(), schema)
        })
        .collect();
    let mut schema = json!({"type": "object", "additionalProperties": false, "properties": properties});
    if table.key("redirect").is_some() {
        schema["not"] = two_actions();
    }
    schema
}

fn shape(shape: &Shape) -> Value {
    match shape {
        Shape::Text(_) => json!({"type": "string"}),
        Shape::Address(_) => json!({"type": ["string", "number"]}),
        Shape::Flag => json!({"type": "boolean"}),
        Shape::Number { least, most } => json!({"type": "integer", "minimum": least, "maximum": most}),
        Shape::Duration { .. } => json!({"type": "string", "pattern": DURATION}),
        Shape::Size { .. } => one_of_sizes(SIZE),
        Shape::SizeOrNone { .. } => one_of_sizes(&format!("^none$|{SIZE}")),
        Shape::Rate => json!({"type": "string", "pattern": RATE}),
        Shape::Command { most } => list(&Shape::Text(""), 1, *most),
        Shape::Choice(words) => json!({"enum": words.iter().map(|word| as_yaml(word)).collect::<Vec<_>>()}),
        Shape::OneOrMore { of, most } => list(of, 1, *most),
        Shape::AnyNumber { of, most } => list(of, 0, *most),
        Shape::Mapping(table) => mapping(table),
        Shape::Entries { of, most, .. } => {
            json!({"type": "object", "additionalProperties": self::shape(of), "maxProperties": most})
        }
        Shape::Either(shapes) => json!({"anyOf": shapes.iter().map(self::shape).collect::<Vec<_>>()}),
    }
}

fn one_of_sizes(pattern: &str) -> Value {
    json!({"anyOf": [{"type": "string", "pattern": pattern}, {"type": "integer", "minimum": 0}]})
}

fn list(of: &Shape, least: usize, most: usize) -> Value {
    let item = shape(of);
    json!({"anyOf": [item.clone(), {"type": "array", "items": item, "minItems": least, "maxItems": most}]})
}

/// A word as a YAML reader of an editor would see it: `308` is a number there.
fn as_yaml(word: &str) -> Value {
    word.parse::<u64>().map_or_else(|_| json!(word), |number| json!(number))
}
