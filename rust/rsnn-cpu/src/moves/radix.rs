//! Stable sort of numbers by some of their bits.

const DIGIT: u32 = 11;

/// Sorts by the `bits` bits from bit `low` on, equal ones in the order they came in.
pub fn radix_sort(keys: &mut Vec<u64>, low: u32, bits: u32) {
    let passes = bits.div_ceil(DIGIT);
    if keys.len() < 2 || passes == 0 {
        return;
    }
    // Digits as even as can be: 12 bits are two passes over 64 buckets, not one over 2048 and one over 2.
    let digit = bits.div_ceil(passes);
    let mut other = vec![0; keys.len()];
    for pass in 0..passes {
        let shift = low + pass * digit;
        let mask = (1u64 << digit.min(bits - pass * digit)) - 1;
        let mut starts = [0usize; 1 << DIGIT];
        for &k in keys.iter() {
            starts[(k >> shift & mask) as usize & ((1 << DIGIT) - 1)] += 1;
        }
        let mut sum = 0;
        starts.iter_mut().for_each(|n| sum += std::mem::replace(n, sum));
        for &k in keys.iter() {
            let start = &mut starts[(k >> shift & mask) as usize & ((1 << DIGIT) - 1)];
            other[*start] = k;
            *start += 1;
        }
        std::mem::swap(keys, &mut other);
    }
}
