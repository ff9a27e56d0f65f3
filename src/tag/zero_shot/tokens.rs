//! From a sentence to the numbers that `SigLIP` reads.

use anyhow::Context as _;
use tokenizers::Tokenizer;

/// Ends a sentence, and fills it up: the network reads the last place, and was taught sentences of one length.
const END: &str = "</s>";

/// The pieces of words and their numbers.
#[derive(Debug)]
pub(super) struct Tokens {
    tokenizer: Tokenizer,
    end: u32,
}

impl Tokens {
    /// Those of a file `tokenizer.json`.
    pub(super) fn read(bytes: &[u8]) -> anyhow::Result<Self> {
        let mut tokenizer = Tokenizer::from_bytes(bytes).map_err(anyhow::Error::from_boxed)?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(anyhow::Error::from_boxed)?;
        let end = tokenizer.token_to_id(END);
        let end = end.with_context(|| format!("no {END:?} in it: is this SigLIP's tokenizer?"))?;
        Ok(Self { tokenizer, end })
    }

    /// `length` numbers: the sentence's, cut where there is no place for the end, and ends.
    pub(super) fn of(&self, sentence: &str, length: usize) -> anyhow::Result<Vec<u32>> {
        let encoded = self.tokenizer.encode_fast(sentence, false);
        let mut numbers = encoded.map_err(anyhow::Error::from_boxed)?.get_ids().to_vec();
        numbers.truncate(length.saturating_sub(1));
        numbers.resize(length, self.end);
        Ok(numbers)
    }
}
