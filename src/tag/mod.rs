//! A picture's labels, from a tagger or from the store of earlier answers.
