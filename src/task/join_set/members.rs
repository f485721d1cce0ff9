//! The members of a set, each under a key that stays the same while it is there.

/// See the module's page.
pub(super) struct Members<M> {
    places: Vec<Option<M>>,
    free: Vec<usize>,
}

impl<M> Members<M> {
    pub(super) fn new() -> Self {
        Members { places: Vec::new(), free: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn insert(&mut self, member: M) -> usize {
        match self.free.pop() {
            Some(key) => {
                self.places[key] = Some(member);
                key
            }
            None => {
                self.places.push(Some(member));
                self.places.len() - 1
            }
        }
    }

    pub(super) fn get(&mut self, key: usize) -> Option<&mut M> {
        self.places.get_mut(key)?.as_mut()
    }

    pub(super) fn remove(&mut self, key: usize) {
        if self.places[key].take().is_some() {
            self.free.push(key);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &M> {
        self.places.iter().flatten()
    }
}

#[cfg(all(test, not(rt_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_used_again_and_counted_once() {
        let mut members = Members::new();
        assert_eq!((members.insert('a'), members.insert('b')), (0, 1));
        members.remove(0);
        members.remove(0);
        assert_eq!(members.len(), 1);
        assert_eq!(members.insert('c'), 0);
        assert_eq!(members.iter().collect::<String>(), "cb");
        assert_eq!(members.get(0), Some(&mut 'c'));
        assert_eq!(members.get(2), None);
    }
}
