//! The pseudo-random generator that scripts see: ARC4 as the JavaScript library "seedrandom" 3 uses it, because deployed
//! systems derive passwords from its numbers and those must survive a migration. Not for secrets.

/// A generator with a fixed, documented sequence per seed.
#[derive(Debug, Clone)]
pub struct Random {
    state: [u8; WIDTH],
    i: u8,
    j: u8,
}

const WIDTH: usize = 256;

impl Random {
    /// A generator for a text seed. Scripts start with the device's ID.
    pub fn new(seed: &str) -> Random {
        let key = mix_key(seed);
        let mut state = [0u8; WIDTH];
        for (index, slot) in state.iter_mut().enumerate() {
            *slot = index as u8;
        }
        let mut j = 0u8;
        for index in 0..WIDTH {
            j = j.wrapping_add(key[index % key.len()]).wrapping_add(state[index]);
            state.swap(index, usize::from(j));
        }
        let mut random = Random { state, i: 0, j: 0 };
        // The first 256 outputs of ARC4 are weak and thrown away.
        for _ in 0..WIDTH {
            random.byte();
        }
        random
    }

    /// The next number, at least 0 and below 1, with 53 random bits.
    pub fn next_number(&mut self) -> f64 {
        const SIGNIFICANCE: f64 = 4_503_599_627_370_496.0; // 2^52
        const OVERFLOW: f64 = 9_007_199_254_740_992.0; // 2^53
        let mut numerator = (0..6).fold(0.0, |sum, _| sum * 256.0 + f64::from(self.byte()));
        let mut denominator = 256f64.powi(6);
        let mut extra = 0u32;
        while numerator < SIGNIFICANCE {
            numerator = (numerator + f64::from(extra)) * 256.0;
            denominator *= 256.0;
            extra = u32::from(self.byte());
        }
        while numerator >= OVERFLOW {
            numerator /= 2.0;
            denominator /= 2.0;
            extra >>= 1;
        }
        (numerator + f64::from(extra)) / denominator
    }

    fn byte(&mut self) -> u8 {
        self.i = self.i.wrapping_add(1);
        let at_i = self.state[usize::from(self.i)];
        self.j = self.j.wrapping_add(at_i);
        self.state.swap(usize::from(self.i), usize::from(self.j));
        let at_i_now = self.state[usize::from(self.i)];
        self.state[usize::from(at_i_now.wrapping_add(at_i))]
    }
}

/// Folds the seed's UTF-16 units into at most 256 key bytes, each unit smeared with what stood at its place before.
fn mix_key(seed: &str) -> Vec<u8> {
    let mut key: Vec<u8> = Vec::new();
    let mut smear = 0u32;
    for (index, unit) in seed.encode_utf16().enumerate() {
        let place = index % WIDTH;
        let before = key.get(place).map_or(0, |&byte| u32::from(byte));
        smear ^= before.wrapping_mul(19);
        let mixed = (smear.wrapping_add(u32::from(unit)) & 255) as u8;
        if place < key.len() {
            key[place] = mixed;
        } else {
            key.push(mixed);
        }
    }
    if key.is_empty() {
        key.push(0);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sequences() {
        let mut random = Random::new("001122-PC-SN1");
        assert_eq!(random.next_number(), 0.965_376_344_430_178_3);
        assert_eq!(random.next_number(), 0.004_964_319_570_118_104);
        assert_eq!(Random::new("x").next_number(), 0.908_061_466_440_110_5);
    }
}
