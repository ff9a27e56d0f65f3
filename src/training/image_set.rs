//! Labelled pictures in memory, ready to be trained on.

use crate::nn::backbone::{Backbone, FEATURES};

/// Pictures of one size with their labels.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSet {
    size: usize,
    inputs: Inputs,
    labels: Vec<u32>,
}

/// What a network is given of each picture.
#[derive(Debug, Clone, PartialEq)]
enum Inputs {
    /// `[n, size, size, 3]`, red first.
    Pixels(Vec<u8>),
    /// `[n, 1280]`.
    Features(Vec<f32>),
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
            Ok(Self { size, inputs: Inputs::Pixels(pixels), labels })
        } else {
            Err(ImageSetError::Length { pixels: pixels.len(), labels: labels.len(), size })
        }
    }

    /// The features that a frozen network gives for these pictures, with the same labels: computed once,
    /// so that only the layers over them are left to train. A set of features stays as it is.
    ///
    /// # Panics
    /// When the pictures' size is no multiple of 32.
    #[must_use]
    pub fn into_features(self, backbone: &Backbone) -> Self {
        let Inputs::Pixels(_) = self.inputs else {
            return self;
        };
        let features =
            backbone.features(self.size, self.len(), |index, picture| self.fill(index, picture));
        Self { inputs: Inputs::Features(features), ..self }
    }

    /// Adds the pictures of a set of the same kind; an empty set takes any.
    ///
    /// # Panics
    /// When one set has pixels and the other features.
    pub fn append(&mut self, mut more: Self) {
        if self.is_empty() {
            *self = more;
            return;
        }
        match (&mut self.inputs, &mut more.inputs) {
            (Inputs::Pixels(all), Inputs::Pixels(more)) => all.append(more),
            (Inputs::Features(all), Inputs::Features(more)) => all.append(more),
            _ => panic!("pixels and features do not mix"),
        }
        self.labels.append(&mut more.labels);
    }

    /// The pictures at these positions, in this order.
    ///
    /// # Panics
    /// When there is no picture at one of them.
    #[must_use]
    pub fn subset(&self, positions: &[usize]) -> Self {
        let labels = positions.iter().map(|&at| self.labels[at]).collect();
        let ranges = || positions.iter().map(|&at| self.range(at));
        let inputs = match &self.inputs {
            Inputs::Pixels(all) => {
                Inputs::Pixels(ranges().flat_map(|range| &all[range]).copied().collect())
            }
            Inputs::Features(all) => {
                Inputs::Features(ranges().flat_map(|range| &all[range]).copied().collect())
            }
        };
        Self { size: self.size, inputs, labels }
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

    /// Numbers that a network is given of each picture.
    pub fn input_len(&self) -> usize {
        match self.inputs {
            Inputs::Pixels(_) => self.size * self.size * 3,
            Inputs::Features(_) => FEATURES,
        }
    }

    /// The bytes of picture `index`, `[size, size, 3]`.
    ///
    /// # Panics
    /// When only features are left of the pictures.
    pub fn picture(&self, index: usize) -> &[u8] {
        match &self.inputs {
            Inputs::Pixels(pixels) => &pixels[self.range(index)],
            Inputs::Features(_) => panic!("these are features, which nothing augments"),
        }
    }

    /// Writes what a network is given of picture `index`: its pixels as numbers in 0..1, or its features.
    pub fn fill(&self, index: usize, target: &mut [f32]) {
        match &self.inputs {
            Inputs::Pixels(pixels) => {
                for (target, byte) in target.iter_mut().zip(&pixels[self.range(index)]) {
                    *target = f32::from(*byte) / 255.0;
                }
            }
            Inputs::Features(features) => target.copy_from_slice(&features[self.range(index)]),
        }
    }

    /// Where picture `index` stands among the inputs.
    fn range(&self, index: usize) -> std::ops::Range<usize> {
        let length = self.input_len();
        index * length..(index + 1) * length
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "the fractions are exact")]
mod tests {
    use super::*;
    use crate::nn::backbone::tests::formula_backbone;

    #[test]
    fn lengths_must_fit() {
        assert!(ImageSet::new(2, vec![0; 24], vec![0, 1]).is_ok());
        assert!(ImageSet::new(2, vec![0; 23], vec![0, 1]).is_err());
    }

    #[test]
    fn features_of_parts_are_those_of_the_whole() {
        let pixels: Vec<u8> = (0..3 * 32 * 32 * 3).map(|at| (at * 31 % 251) as u8).collect();
        let set = |from: usize, to: usize| {
            let labels = (from as u32..to as u32).collect();
            ImageSet::new(32, pixels[from * 3072..to * 3072].to_vec(), labels).unwrap()
        };
        let backbone = formula_backbone();
        let mut parts = set(0, 0);
        parts.append(set(0, 2).into_features(&backbone));
        parts.append(set(2, 3).into_features(&backbone));
        assert!(parts == set(0, 3).into_features(&backbone));
    }

    #[test]
    fn a_subset_has_the_pictures_at_its_positions() {
        let set = ImageSet::new(1, vec![1, 2, 3, 4, 5, 6, 7, 8, 9], vec![0, 1, 2]).unwrap();
        let expected = ImageSet::new(1, vec![7, 8, 9, 1, 2, 3], vec![2, 0]).unwrap();
        assert!(set.subset(&[2, 0]) == expected);
    }

    #[test]
    fn bytes_become_fractions() {
        let set = ImageSet::new(1, vec![0, 0, 0, 0, 51, 255], vec![0, 1]).unwrap();
        let mut picture = [9.0; 3];
        set.fill(1, &mut picture);
        assert_eq!(picture, [0.0, 0.2, 1.0]);
    }
}
