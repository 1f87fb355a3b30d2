//! The little DER that key files are made of: lengths are definite and minimal, and nothing is left over.

/// The bytes are not the DER that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;

/// Reads elements one after the other.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(der: &'a [u8]) -> Self {
        Self { rest: der }
    }

    /// The content of the next element, which must have this tag.
    pub(super) fn element(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        let (found, rest) = self.rest.split_first().ok_or(Malformed)?;
        if *found != tag {
            return Err(Malformed);
        }
        let (length, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(content)
    }

    /// The elements inside the next one, which must be a sequence.
    pub(super) fn sequence(&mut self) -> Result<Reader<'a>, Malformed> {
        self.element(SEQUENCE).map(Reader::new)
    }

    /// The magnitude of the next element, a non-negative integer, without leading zeros.
    pub(super) fn unsigned(&mut self) -> Result<&'a [u8], Malformed> {
        let content = self.element(INTEGER)?;
        match content {
            [] => Err(Malformed),
            [first, ..] if *first >= 0x80 => Err(Malformed),
            [0, next, ..] if *next < 0x80 => Err(Malformed),
            [0, magnitude @ ..] => Ok(magnitude),
            magnitude => Ok(magnitude),
        }
    }

    /// The next element, a bit string of whole bytes.
    pub(super) fn whole_bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let content = self.element(BIT_STRING)?;
        content.strip_prefix(&[0]).ok_or(Malformed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

fn length(bytes: &[u8]) -> Result<(usize, &[u8]), Malformed> {
    match *bytes {
        [short, ref rest @ ..] if short < 0x80 => Ok((usize::from(short), rest)),
        [0x81, long, ref rest @ ..] if long >= 0x80 => Ok((usize::from(long), rest)),
        [0x82, high, low, ref rest @ ..] if high > 0 => Ok((usize::from(u16::from_be_bytes([high, low])), rest)),
        _ => Err(Malformed),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_definite_and_minimal() {
        let long = [vec![OCTET_STRING, 0x82, 1, 0], vec![7; 256]].concat();
        assert_eq!(Reader::new(&long).element(OCTET_STRING), Ok(&[7; 256][..]));

        let bad: [&[u8]; 9] = [
            &[],
            &[OCTET_STRING],
            &[OCTET_STRING, 1],
            &[OCTET_STRING, 0x80, 0, 0],
            &[OCTET_STRING, 0x81, 1, 7],
            &[OCTET_STRING, 0x82, 0, 1, 7],
            &[OCTET_STRING, 0x83, 0, 0, 1, 7],
            &[OCTET_STRING, 0xff],
            &[SEQUENCE, 0],
        ];
        for der in bad {
            assert_eq!(Reader::new(der).element(OCTET_STRING), Err(Malformed), "{der:?}");
        }
    }

    #[test]
    fn integers_are_minimal_and_not_negative() {
        assert_eq!(Reader::new(&[INTEGER, 2, 0, 0x80]).unsigned(), Ok(&[0x80][..]));
        assert_eq!(Reader::new(&[INTEGER, 1, 0]).unsigned(), Ok(&[][..]));
        for der in [&[INTEGER, 1, 0x80][..], &[INTEGER, 2, 0, 1], &[INTEGER, 0]] {
            assert_eq!(Reader::new(der).unsigned(), Err(Malformed), "{der:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            while reader.unsigned().is_ok() || reader.whole_bytes().is_ok() || reader.sequence().is_ok() {}
        }
    }
}
