//! A page's blocks as one script of bash. Pure: values in, text out.

use super::page::Block;
use super::settings;

/// Ports as the pages have them: of the server that is there, and of servers that a page starts.
pub const PORTS: [&str; 2] = [":9000", ":9100"];
/// Where the script says which block it is at.
pub const PROGRESS: &str = "at-block";
/// Ends what is handed to a program or a file; no block has such a line.
const END: &str = "END_OF_THE_BLOCK";

/// What is to be run of a page.
#[derive(Debug, Default)]
pub struct Script {
    pub text: String,
    /// Blocks that are run.
    pub run: usize,
    /// Blocks that are marked as not run.
    pub marked: usize,
}

/// `page`: its name, for what is said. A block that nothing is done with is an error that names it.
pub fn script(page: &str, blocks: &[Block], ports: [u16; 2]) -> Result<Script, String> {
    let mut script = Script { text: "set -e\n".into(), ..Script::default() };
    let mut printed = None;
    for (index, block) in blocks.iter().enumerate() {
        let whole = format!("{page}:{}", block.line);
        if block.not_run.is_some() {
            script.marked += 1;
            printed = None;
            continue;
        }
        let output = format!("printed-{}", block.line);
        let run = match (block.language.as_str(), &block.file, &printed) {
            (_, Some(file), _) => {
                if !is_used(file, block, &blocks[index + 1..]) {
                    return Err(format!("{whole}: nothing uses the file {file}"));
                }
                let write = format!(
                    "mkdir -p \"$(dirname {file})\"\n{}",
                    handed(&format!("cat > {file}"), &block.text)
                );
                block.before.clone() + &write + &block.after
            }
            ("console", ..) => block.before.clone() + &typed(&block.text) + &block.after,
            ("python", ..) => handed("python3 -", &(block.before.clone() + &block.text + &block.after)),
            ("text", _, Some(printed)) => handed(&format!("diff - {printed}"), &block.text),
            ("properties", ..) => {
                settings::check(&block.text).map_err(|e| format!("{whole}: {e}"))?;
                String::new()
            }
            (language, ..) => {
                return Err(format!(
                    "{whole}: a block of {language:?} is neither run nor marked with `<!-- not run: reason -->`"
                ));
            }
        };
        // In braces, for what a block starts or sets is there for the blocks after it.
        script.text += &format!("echo {whole} > \"$HOME/{PROGRESS}\"\n{{\n:\n{run}}} > \"$HOME/{output}\"\n");
        script.run += 1;
        printed = Some(format!("\"$HOME/{output}\""));
    }
    for (shown, real) in PORTS.iter().zip(ports) {
        script.text = script.text.replace(shown, &format!(":{real}"));
    }
    Ok(script)
}

/// Whether something after a file names it, or imports it. Programs find what begins with a dot by themselves.
fn is_used(file: &str, block: &Block, later: &[Block]) -> bool {
    let name = file.strip_suffix(".py").unwrap_or(file);
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let named = |text: &str| {
        text.match_indices(name)
            .any(|(at, _)| !text[..at].ends_with(is_word) && !text[at + name.len()..].starts_with(is_word))
    };
    let later = later.iter().any(|block| named(&block.before) || named(&block.text) || named(&block.after));
    later || named(&block.after) || file.starts_with('.') && !block.after.is_empty()
}

/// Lines of a console without its prompts.
fn typed(text: &str) -> String {
    let lines = text.lines().map(|line| line.strip_prefix("$ ").unwrap_or(line).to_owned() + "\n");
    lines.collect()
}

fn handed(command: &str, text: &str) -> String {
    format!("{command} <<'{END}'\n{text}{END}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::docs::page::blocks;

    fn script_of(page: &str) -> Result<Script, String> {
        script("page.md", &blocks(page).unwrap(), [1, 2])
    }

    #[test]
    fn a_page_becomes_a_script_that_bash_runs_in_its_order() {
        let page = "```console\n$ greeting=\"a\n  b\"\n$ echo \"$greeting :9000\"\n```\n```text\na\n  b :9000\n```\n<!-- after: cmp x x -->\n\
                    ```json x\n{}\n```\n<!-- not run: a picture -->\n```\n+\n```\n";
        let script = script_of(page).unwrap();
        assert_eq!((script.run, script.marked), (3, 1));
        let home = tempfile::tempdir().unwrap();
        let mut bash = std::process::Command::new("bash");
        let output =
            bash.args(["-c", &script.text]).current_dir(&home).env("HOME", home.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(std::fs::read_to_string(home.path().join("printed-1")).unwrap(), "a\n  b :1\n");
        let other = script_of(&page.replace("  b :9000", "  c :9000")).unwrap();
        let output = bash_of(&other.text, home.path());
        assert!(!output.status.success(), "what was printed is compared with what is shown");
    }

    fn bash_of(text: &str, home: &std::path::Path) -> std::process::Output {
        std::process::Command::new("bash")
            .args(["-c", text])
            .current_dir(home)
            .env("HOME", home)
            .output()
            .unwrap()
    }

    #[test]
    fn blocks_that_nothing_would_be_done_with_are_errors() {
        for page in [
            "```\nAWS_REGION=x\n```\n",
            "```toml\na = 1\n```\n",
            "```toml a.toml\na = 1\n```\n",
            "```text\nprinted by nothing\n```\n",
            "```properties\nspark.no.such.setting=1\n```\n",
        ] {
            let error = script_of(page).unwrap_err();
            assert!(error.starts_with("page.md:1: "), "{error}");
        }
    }
}
