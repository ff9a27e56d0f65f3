//! What serde says of a value that does not fit, as a sentence about the field.

use super::problem::FieldError;

/// The field and what is wrong with it, from the path that was reached and serde's message.
pub(super) fn field_error(path: &str, message: &str) -> FieldError {
    let message = message.split(" at line ").next().unwrap_or(message);
    if let Some(name) = quoted(message, "missing field ") {
        return FieldError::new(below(path, name), "is missing");
    }
    if let Some(name) = quoted(message, "duplicate field ") {
        return FieldError::new(below(path, name), "is there twice");
    }
    if let Some(name) = quoted(message, "unknown field ") {
        // The path ends in the field itself where serde had read its name already.
        let parent = path.strip_suffix(name).unwrap_or(path).trim_end_matches('.');
        let known = match message.split_once(", expected ") {
            Some((_, known)) => format!("is not known here; known: {}", names(known)),
            None => "is not known here: there are no fields".to_owned(),
        };
        return FieldError::new(below(parent, name), known);
    }
    FieldError::new(if path == "." { "" } else { path }, sentence(message))
}

fn quoted<'a>(message: &'a str, beginning: &str) -> Option<&'a str> {
    message.strip_prefix(beginning)?.strip_prefix('`')?.split('`').next()
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() || path == "." { name.to_owned() } else { format!("{path}.{name}") }
}

/// The names in "one of `a`, `b`" or "`a` or `b`".
fn names(known: &str) -> String {
    known.split('`').skip(1).step_by(2).collect::<Vec<_>>().join(", ")
}

fn sentence(message: &str) -> String {
    if let Some(value) = quoted(message, "unknown variant ")
        && let Some((_, known)) = message.split_once(", expected ")
    {
        return format!("must be one of {}, not {value:?}", names(known));
    }
    for beginning in ["invalid type: ", "invalid value: ", "invalid length "] {
        if let Some(rest) = message.strip_prefix(beginning)
            && let Some((found, expected)) = rest.rsplit_once(", expected ")
        {
            return format!("must be {}, not {}", shape(expected), found.replace('`', ""));
        }
    }
    match message {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            "must be an integer".into()
        }
        "number too large to fit in target type" | "number too small to fit in target type" => {
            "must be an integer within 64 bits".into()
        }
        "invalid float literal" | "cannot parse float from empty string" => {
            "must be a number".into()
        }
        "provided string was not `true` or `false`" => "must be true or false".into(),
        _ if message.starts_with("UUID parsing failed") => "must be a UUID".into(),
        _ => message.to_owned(),
    }
}

/// What is expected, without the names of our types.
pub(super) fn shape(expected: &str) -> String {
    match expected {
        "u8" => "an integer from 0 to 255".into(),
        "u16" => "an integer from 0 to 65535".into(),
        "u32" => "an integer from 0 to 4294967295".into(),
        "u64" | "usize" => "an integer from 0 on".into(),
        "i32" => "an integer from -2147483648 to 2147483647".into(),
        "i64" => "an integer within 64 bits".into(),
        "f32" | "f64" => "a number".into(),
        "a sequence" => "a list".into(),
        "a map" => "an object".into(),
        "a boolean" => "true or false".into(),
        _ if expected.contains("UUID") || expected.ends_with("Id") => "a UUID".into(),
        _ if expected.starts_with("struct ") => "an object".into(),
        _ if expected.starts_with("enum ") => "the name of a variant".into(),
        _ => expected.replace('`', ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_names_the_field_and_what_is_expected() {
        for (path, message, field, said) in [
            (".", "missing field `name` at line 1 column 2", "name", "is missing"),
            ("classes[0]", "missing field `name`", "classes[0].name", "is missing"),
            ("x", "unknown field `x`, expected `a` or `b`", "x", "is not known here; known: a, b"),
            (
                "limit",
                "invalid type: string \"5\", expected i32 at line 1 column 9",
                "limit",
                "must be an integer from -2147483648 to 2147483647, not string \"5\"",
            ),
            (
                "sort",
                "unknown variant `x`, expected one of `newest`, `oldest`",
                "sort",
                "must be one of newest, oldest, not \"x\"",
            ),
            ("limit", "invalid digit found in string", "limit", "must be an integer"),
            ("id", "UUID parsing failed: invalid length", "id", "must be a UUID"),
            (
                ".",
                "invalid type: null, expected struct NewDataset",
                "",
                "must be an object, not null",
            ),
        ] {
            assert_eq!(field_error(path, message), FieldError::new(field, said), "{message}");
        }
    }
}
