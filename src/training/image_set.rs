//! Labelled pictures in memory, ready to be trained on.

/// Pictures of one size with their labels, as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSet {
    size: usize,
    pixels: Vec<u8>,
    labels: Vec<u32>,
}

/// Why pictures and labels do not make a set.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ImageSetError {
    /// The number of bytes is not `labels × size × size × 3`.
    #[error("{pixels} bytes are not {labels} pictures of {size}×{size}×3")]
    Length {
        /// Bytes given.
        pixels: usize,
        /// Labels given.
        labels: usize,
        /// Rows and columns of a picture.
        size: usize,
    },
}

impl ImageSet {
    /// `pixels` is `[n, size, size, 3]`, red first; `labels` has the `n` class numbers.
    ///
    /// # Errors
    /// When the lengths do not fit.
    pub fn new(size: usize, pixels: Vec<u8>, labels: Vec<u32>) -> Result<Self, ImageSetError> {
        if pixels.len() == labels.len() * size * size * 3 {
            Ok(Self { size, pixels, labels })
        } else {
            Err(ImageSetError::Length { pixels: pixels.len(), labels: labels.len(), size })
        }
    }

    /// How many pictures there are.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Rows and columns of each picture.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The class number of each picture.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The bytes of picture `index`, `[size, size, 3]`.
    pub fn picture(&self, index: usize) -> &[u8] {
        let length = self.size * self.size * 3;
        &self.pixels[index * length..(index + 1) * length]
    }

    /// Writes picture `index` as numbers in 0..1.
    pub fn fill(&self, index: usize, target: &mut [f32]) {
        for (target, byte) in target.iter_mut().zip(self.picture(index)) {
            *target = f32::from(*byte) / 255.0;
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the fractions are exact")]
mod tests {
    use super::*;

    #[test]
    fn lengths_must_fit() {
        assert!(ImageSet::new(2, vec![0; 24], vec![0, 1]).is_ok());
        assert!(ImageSet::new(2, vec![0; 23], vec![0, 1]).is_err());
    }

    #[test]
    fn bytes_become_fractions() {
        let set = ImageSet::new(1, vec![0, 0, 0, 0, 51, 255], vec![0, 1]).unwrap();
        let mut picture = [9.0; 3];
        set.fill(1, &mut picture);
        assert_eq!(picture, [0.0, 0.2, 1.0]);
    }
}
