//! The documentation as its readers type it: the fenced blocks of a page, made into one script that runs in the order of the page.
//!
//! A page is a session of one shell, in an empty home, beside a server of its own. What a block is run as:
//!
//! | block | what happens |
//! |---|---|
//! | `console` | lines after `$ ` are typed into the shell, with the lines that go on below them |
//! | `python` | a program of its own |
//! | `text` | what the block before it printed, and nothing else |
//! | any language with a file's name behind it | that file, which something after it has to use |
//! | `properties` | settings that the jobs of Spark run with |
//!
//! HTML comments directly above a block, which readers do not see, say what it lacks: `before:` and `after:` are run around it, in its
//! own language where it is Python and by the shell elsewhere; `not run:` gives the reason why it is not. Whatever is left is an
//! error. The environment is what the banner of `pocket serve` says to paste, for the tenant `default`; the tenant `team-a` is
//! there too. Ports are the only thing that is replaced: those of [`script::PORTS`] by free ones.

pub mod page;
pub mod run;
pub mod script;
pub mod settings;
