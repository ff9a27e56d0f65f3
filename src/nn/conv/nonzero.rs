//! The gradient that passes the pool, as lists of its nonzero numbers per output map.

use super::{ConvShape, DEAD};

/// The nonzero gradients of one pooled row: per output map, where in the row pair and how much.
#[derive(Debug, Default)]
pub(super) struct Nonzero {
    places: Vec<u32>,
    values: Vec<f32>,
    counts: Vec<u32>,
    capacity: usize,
}

impl Nonzero {
    /// Lists one pooled row. A place is the winner's pixel in its pair of rows times `stride`.
    pub(super) fn list(
        &mut self,
        shape: &ConvShape,
        gradient: &[f32],
        winners: &[u8],
        stride: usize,
    ) {
        let (maps, width) = (shape.output_maps, shape.width);
        // One slot more than there can be entries: a dead one is written and not counted.
        self.capacity = shape.pooled_width() + 1;
        self.places.resize(maps * self.capacity, 0);
        self.values.resize(maps * self.capacity, 0.0);
        self.counts.clear();
        self.counts.resize(maps, 0);
        let steps = [0, 1, width, width + 1, 0].map(|pixel| (pixel * stride) as u32);
        let pixels = gradient.chunks_exact(maps).zip(winners.chunks_exact(maps));
        for (column, (gradient, winners)) in pixels.enumerate() {
            let place = (2 * column * stride) as u32;
            let sources = gradient.iter().zip(winners).zip(&mut self.counts);
            for (map, ((value, winner), count)) in sources.enumerate() {
                let slot = map * self.capacity + *count as usize;
                self.places[slot] = place + steps[usize::from((*winner).min(DEAD))];
                self.values[slot] = *value;
                *count += u32::from(*winner != DEAD && *value != 0.0);
            }
        }
    }

    /// How many maps there are.
    pub(super) fn maps(&self) -> usize {
        self.counts.len()
    }

    /// The places and values of one map.
    pub(super) fn of(&self, map: usize) -> (&[u32], &[f32]) {
        let range = map * self.capacity..map * self.capacity + self.counts[map] as usize;
        (&self.places[range.clone()], &self.values[range])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_and_zero_gradients_are_left_out() {
        let shape = ConvShape { height: 4, width: 8, input_maps: 1, output_maps: 2 };
        let mut nonzero = Nonzero::default();
        let gradient = [1.0, 2.0, 3.0, 0.0, 5.0, 6.0];
        nonzero.list(&shape, &gradient, &[0, 1, DEAD, 2, 3, 2], 10);
        assert_eq!(nonzero.of(0), (&[0, 130][..], &[1.0, 5.0][..]));
        assert_eq!(nonzero.of(1), (&[10, 120][..], &[2.0, 6.0][..]));
        assert_eq!(nonzero.maps(), 2);
    }
}
