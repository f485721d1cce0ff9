//! Values that are found again by a number.

/// A list whose free places are used again: it is as long as it ever was full.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<usize>,
}

impl<T> Slab<T> {
    pub(crate) fn new() -> Self {
        Slab { places: Vec::new(), free: Vec::new() }
    }

    /// Takes in a value, and returns the number by which it is found.
    pub(crate) fn insert(&mut self, value: T) -> usize {
        match self.free.pop() {
            Some(place) => {
                self.places[place] = Some(value);
                place
            }
            None => {
                self.places.push(Some(value));
                self.places.len() - 1
            }
        }
    }

    pub(crate) fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.places.get_mut(place)?.as_mut()
    }

    pub(crate) fn remove(&mut self, place: usize) -> Option<T> {
        let value = self.places.get_mut(place)?.take()?;
        if self.places.len() == self.free.len() + 1 {
            // All are free: whatever is left of the list is its memory.
            self.places.clear();
            self.free.clear();
        } else {
            self.free.push(place);
        }
        Some(value)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.places.iter_mut().flatten()
    }

    /// Everything that is in it. Nothing is, afterwards.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.free.clear();
        std::mem::take(&mut self.places).into_iter().flatten()
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_free_place_is_used_again() {
        let mut slab = Slab::new();
        let (first, second) = (slab.insert('a'), slab.insert('b'));
        assert_eq!(slab.remove(first), Some('a'));
        assert_eq!(slab.remove(first), None);
        assert_eq!(slab.insert('c'), first);
        assert_eq!(slab.get_mut(second), Some(&mut 'b'));
        assert_eq!(slab.take().collect::<String>(), "cb");
        assert_eq!(slab.remove(second), None);
        assert_eq!(slab.insert('d'), 0);
    }

    #[test]
    fn a_list_that_is_empty_begins_anew() {
        let mut slab = Slab::new();
        for _ in 0..3 {
            let places: Vec<_> = (0..4).map(|value| slab.insert(value)).collect();
            assert_eq!(places, [0, 1, 2, 3]);
            for place in [2, 0, 3, 1] {
                assert_eq!(slab.remove(place), Some(place));
            }
        }
    }
}
