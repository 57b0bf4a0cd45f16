//! The JSON Schema of a site file, for editors. It is a little more lenient than the reader: it cannot know what a
//! hostname is, nor which keys exclude each other under which circumstances.

use serde_json::{Map, Value, json};

use super::{
    site_keys,
    table::{Shape, Table},
};

/// A duration as `parse_duration` of `names` takes it.
const DURATION: &str = "^([0-9]+(ms|s|m|h|d))+$";
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
    let mut head = Map::new();
    head.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    head.insert("title".into(), json!("Vestibule site file"));
    head.extend(std::mem::take(root));
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
