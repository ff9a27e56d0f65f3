//! The protobuf wire format, as far as ONNX needs it: varints, 32-bit floats and length-delimited
//! fields (<https://protobuf.dev/programming-guides/encoding/>).

/// Wire type of integers.
const VARINT: u64 = 0;

/// Wire type of `double` and `fixed64`.
const FIXED64: u64 = 1;

/// Wire type of strings, bytes and messages.
const DELIMITED: u64 = 2;

/// Wire type of `float` and `fixed32`.
const FIXED32: u64 = 5;

/// A message under construction: fields stand in the order in which they are added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message(Vec<u8>);

impl Message {
    /// An `int32`, `int64` or enum field; negative values are not needed.
    pub(super) fn int(mut self, field: u32, value: u64) -> Self {
        self.tag(field, VARINT);
        self.varint(value);
        self
    }

    /// A `float` field.
    pub(super) fn float(mut self, field: u32, value: f32) -> Self {
        self.tag(field, FIXED32);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A `bytes` or `string` field.
    pub(super) fn bytes(mut self, field: u32, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.tag(field, DELIMITED);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    /// A message field.
    pub(super) fn message(self, field: u32, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    /// One field for each item, in order.
    pub(super) fn messages(self, field: u32, values: &[Self]) -> Self {
        values.iter().fold(self, |message, value| message.message(field, value))
    }

    /// The encoded message.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn tag(&mut self, field: u32, wire_type: u64) {
        self.varint(u64::from(field) << 3 | wire_type);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// The value of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// Of a varint.
    Int(u64),
    /// Of a string, bytes or message.
    Bytes(&'a [u8]),
    /// A fixed-width number, which nobody here reads.
    Fixed,
}

/// The fields of an encoded message, in order. A broken one ends with an error.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    /// The contents of every length-delimited field with this number.
    ///
    /// # Errors
    /// What is broken.
    pub(super) fn all(self, number: u64) -> Result<Vec<&'a [u8]>, &'static str> {
        let mut found = Vec::new();
        for field in self {
            match field? {
                (field, Value::Bytes(bytes)) if field == number => found.push(bytes),
                _ => {}
            }
        }
        Ok(found)
    }

    fn varint(&mut self) -> Result<u64, &'static str> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or("a number breaks off")?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if *byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number has more than ten bytes")
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], &'static str> {
        let len = usize::try_from(len).map_err(|_| "a field is too long")?;
        let (taken, rest) = self.0.split_at_checked(len).ok_or("a field breaks off")?;
        self.0 = rest;
        Ok(taken)
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), &'static str> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            VARINT => Value::Int(self.varint()?),
            FIXED64 => self.take(8).map(|_| Value::Fixed)?,
            FIXED32 => self.take(4).map(|_| Value::Fixed)?,
            DELIMITED => {
                let len = self.varint()?;
                Value::Bytes(self.take(len)?)
            }
            _ => return Err("a field has an unknown wire type"),
        };
        Ok((tag >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), &'static str>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_have_the_bytes_that_the_encoding_guide_shows() {
        let nested = Message::default().int(1, 150);
        assert_eq!(nested.0, [0x08, 0x96, 0x01]);
        let message = Message::default().message(3, &nested).bytes(2, "testing").float(1, 1.0);
        assert_eq!(message.0[..5], [0x1a, 0x03, 0x08, 0x96, 0x01]);
        assert_eq!(message.0[5..14], *b"\x12\x07testing");
        assert_eq!(message.0[14..], [0x0d, 0, 0, 0x80, 0x3f]);
        let read: Vec<_> = Fields(&message.0).collect::<Result<_, _>>().unwrap();
        let expected =
            [(3, Value::Bytes(&nested.0)), (2, Value::Bytes(b"testing")), (1, Value::Fixed)];
        assert_eq!(read, expected);
        assert_eq!(Fields(&nested.0).next(), Some(Ok((1, Value::Int(150)))));
    }

    #[test]
    fn broken_messages_end_with_an_error() {
        let broken: [&[u8]; 5] = [
            b"\x08",
            b"\x12\x07test",
            b"\x0b",
            &[0xff; 11],
            b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
        ];
        for bytes in broken {
            let read: Vec<_> = Fields(bytes).collect();
            assert!(matches!(read[..], [Err(_)]), "{bytes:?}: {read:?}");
        }
    }
}
