//! Inputs for parsers: good ones, bent a little. Random bytes alone die at the first check of a parser; what comes close
//! to being right goes far. Every choice is the driver's, so a fuzzer that is guided by coverage learns which bend leads
//! to new code, and a failure can be replayed and shrunk.

use bolero::ValueGenerator;
use bolero::generator::bolero_generator::Driver;
use std::fmt;
use std::ops::{Bound, Deref};

/// Most bends of one input. More leave nothing of it.
const BENDS_MAX: usize = 6;
/// Longest input: past the limits of every text, short enough for many runs a second.
const INPUT_MAX_BYTES: usize = 64 << 10;
/// Most repetitions of a piece in one bend.
const REPEATS_MAX: usize = 300;
/// One input in so many is nothing but random bytes.
const ONE_IN_RAW: usize = 24;

/// Pieces that break parsers of text: ends of numbers, of encodings, of documents and of lines.
const PIECES: [&[u8]; 36] = [
    b"",
    b"\0",
    b"\r\n",
    b"\n",
    b" ",
    b"\t",
    b"%",
    b"%0",
    b"%00",
    b"%2F",
    b"%2f",
    b"+",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    "\u{fffd}\u{10ffff}".as_bytes(),
    "ü/€".as_bytes(),
    b"-1",
    b"0",
    b"1e9",
    b"0x10",
    b"65536",
    b"4294967296",
    b"18446744073709551615",
    b"18446744073709551616",
    b"99999999999999999999999999",
    b"&",
    b"=",
    b";",
    b",",
    b":",
    b"\"",
    b"<",
    b"</a>",
    b"<![CDATA[",
    b"&#x0;",
];

/// One input.
#[derive(Clone, PartialEq, Eq)]
pub struct Mutant(pub Vec<u8>);

impl Mutant {
    /// As text; bytes that are none become U+FFFD.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl Deref for Mutant {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// Makes inputs out of seeds.
#[derive(Clone, Debug)]
pub struct Mutants {
    seeds: Vec<Vec<u8>>,
}

impl Mutants {
    /// There must be one seed at least.
    pub fn of<S: Into<Vec<u8>>>(seeds: impl IntoIterator<Item = S>) -> Self {
        let seeds: Vec<Vec<u8>> = seeds.into_iter().map(Into::into).collect();
        assert!(!seeds.is_empty(), "nothing to bend");
        Self { seeds }
    }

    /// A seed a line; lines that begin with `#` say something of those below.
    pub fn lines(text: &str) -> Self {
        Self::of(text.lines().filter(|line| !line.starts_with('#')))
    }

    /// Seeds of several lines each, with a line `---` between.
    pub fn blocks(text: &str) -> Self {
        Self::of(text.split("\n---\n").map(|block| block.strip_suffix('\n').unwrap_or(block)))
    }

    pub fn seeds(&self) -> impl Iterator<Item = &[u8]> {
        self.seeds.iter().map(Vec::as_slice)
    }

    fn bend<D: Driver>(&self, driver: &mut D, input: &mut Vec<u8>) -> Option<()> {
        let piece = match below(driver, 8)? {
            // Bytes in place of others, of the same number.
            0 => {
                let at = below(driver, input.len())?;
                if let Some(byte) = input.get_mut(at) {
                    *byte = driver.produce()?;
                }
                return Some(());
            }
            1 => {
                let (at, bit) = (below(driver, input.len())?, below(driver, 8)?);
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1 << bit;
                }
                return Some(());
            }
            // It ends early.
            2 => {
                input.truncate(below(driver, input.len() + 1)?);
                return Some(());
            }
            // A piece of itself, some times over.
            3 => {
                let (from, to) = range(driver, input.len(), 64)?;
                let times = [1, 2, 3, 17, REPEATS_MAX][below(driver, 5)?];
                input[from..to].repeat(times)
            }
            // A piece of another seed.
            4 => {
                let other = &self.seeds[below(driver, self.seeds.len())?];
                let (from, to) = range(driver, other.len(), other.len())?;
                other[from..to].to_vec()
            }
            5 => (0..below(driver, 16)?).map(|_| driver.produce()).collect::<Option<_>>()?,
            // Nothing, in place of something.
            6 => Vec::new(),
            _ => PIECES[below(driver, PIECES.len())?].to_vec(),
        };
        let longest = if piece.is_empty() || driver.produce()? { 32 } else { 0 };
        let (from, to) = range(driver, input.len(), longest)?;
        input.splice(from..to, piece);
        input.truncate(INPUT_MAX_BYTES);
        Some(())
    }
}

impl ValueGenerator for Mutants {
    type Output = Mutant;

    fn generate<D: Driver>(&self, driver: &mut D) -> Option<Mutant> {
        if below(driver, ONE_IN_RAW)? == 1 {
            return driver.produce().map(Mutant);
        }
        let mut input = self.seeds[below(driver, self.seeds.len())?].clone();
        for _ in 0..below(driver, BENDS_MAX + 1)? {
            self.bend(driver, &mut input)?;
        }
        Some(Mutant(input))
    }
}

/// A number below `end`; 0 where there is none.
fn below<D: Driver>(driver: &mut D, end: usize) -> Option<usize> {
    if end <= 1 { Some(0) } else { driver.gen_usize(Bound::Included(&0), Bound::Excluded(&end)) }
}

/// A range within `len`, of at most `longest`.
fn range<D: Driver>(driver: &mut D, len: usize, longest: usize) -> Option<(usize, usize)> {
    let from = below(driver, len + 1)?;
    let to = from + below(driver, (len - from).min(longest) + 1)?;
    Some((from, to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::sync::Mutex;

    #[test]
    fn mutants_are_their_seeds_and_much_else() {
        let seen = Mutex::new(HashSet::new());
        let mutants = Mutants::blocks("one\nseed\n---\nanother\n");
        assert_eq!(mutants.seeds().collect::<Vec<_>>(), [&b"one\nseed"[..], b"another"]);
        crate::repeat(3_000, mutants, |mutant: &Mutant| {
            assert!(mutant.len() <= INPUT_MAX_BYTES);
            seen.lock().unwrap().insert(mutant.0.clone());
        });
        let seen = seen.into_inner().unwrap();
        assert!(seen.contains(&b"another"[..]) && seen.contains(&b"one\nseed"[..]));
        assert!(seen.len() > 1_000, "{} different ones", seen.len());
    }

    #[test]
    fn notes_among_lines_are_no_seeds() {
        assert_eq!(Mutants::lines("# what\na\n# and\nb\n").seeds().collect::<Vec<_>>(), [b"a", b"b"]);
    }
}
