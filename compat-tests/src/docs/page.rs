//! The fenced blocks of a page, and the comments above them. Pure: text in, values out.

/// A fenced block as it stands.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Block {
    /// Of its first fence, from 1.
    pub line: usize,
    /// Empty where the fence names none.
    pub language: String,
    /// What stands behind the language.
    pub file: Option<String>,
    /// Its lines, each with its line end.
    pub text: String,
    pub before: String,
    pub after: String,
    /// Why it is not run.
    pub not_run: Option<String>,
}

/// All blocks of a page, in order. The error says at which line a comment or a fence is not understood.
pub fn blocks(page: &str) -> Result<Vec<Block>, String> {
    let mut blocks = Vec::new();
    let mut next = Block::default();
    let mut lines = (1..).zip(page.lines());
    while let Some((line, text)) = lines.next() {
        if let Some(comment) = text.strip_prefix("<!--") {
            let mut comment = comment.to_owned();
            while !comment.contains("-->") {
                let (_, more) =
                    lines.next().ok_or_else(|| format!("line {line}: a comment without an end"))?;
                comment = comment + "\n" + more;
            }
            understand(&comment.replace("-->", ""), &mut next).map_err(|e| format!("line {line}: {e}"))?;
        } else if let Some(fence) = text.trim_start().strip_prefix("```") {
            let (language, file) = fence.split_once(' ').unwrap_or((fence, ""));
            let mut block = std::mem::take(&mut next);
            block.line = line;
            block.language = language.to_owned();
            block.file = Some(file.trim().to_owned()).filter(|file| !file.is_empty());
            loop {
                let (_, text) = lines.next().ok_or_else(|| format!("line {line}: a block without an end"))?;
                if text.trim_start() == "```" {
                    break;
                }
                block.text += text;
                block.text.push('\n');
            }
            blocks.push(block);
        } else if next != Block::default() {
            return Err(format!("line {line}: a comment for a block, and no block directly below it"));
        }
    }
    Ok(blocks)
}

fn understand(comment: &str, block: &mut Block) -> Result<(), String> {
    let (kind, said) = comment.trim().split_once(':').unwrap_or((comment.trim(), ""));
    // Lines below the kind keep their indentation.
    let said = said.trim_end();
    let said = said.strip_prefix('\n').unwrap_or(said.trim_start());
    if said.is_empty() {
        return Err(format!("the comment {kind:?} says nothing"));
    }
    match kind {
        "before" => block.before += &format!("{said}\n"),
        "after" => block.after += &format!("{said}\n"),
        "not run" => block.not_run = Some(said.to_owned()),
        _ => return Err(format!("a comment is `before:`, `after:` or `not run:`, not {kind:?}")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_their_language_their_file_and_what_the_comments_above_say() {
        let page = "# Page\n\n<!-- before: cd x -->\n<!-- after:\n a\nb -->\n```json rules.json\n{}\n```\ntext\n\n<!-- not run: no such \
                    client -->\n```\npicture\n```\n";
        let [file, picture] = blocks(page).unwrap().try_into().unwrap();
        assert_eq!(
            (file.line, file.language.as_str(), file.file.as_deref()),
            (7, "json", Some("rules.json"))
        );
        assert_eq!(
            (file.text.as_str(), file.before.as_str(), file.after.as_str()),
            ("{}\n", "cd x\n", " a\nb\n")
        );
        assert_eq!((picture.language.as_str(), picture.not_run.as_deref()), ("", Some("no such client")));
    }

    #[test]
    fn comments_that_say_nothing_or_stand_above_nothing_are_errors() {
        for page in [
            "<!-- not run: -->\n```\n```\n",
            "<!-- norun: slow -->\n```\n```\n",
            "<!-- not run: slow -->\n\n```\n```\n",
            "<!-- not run: slow",
            "```console\n$ true\n",
        ] {
            assert!(blocks(page).is_err(), "{page:?}");
        }
    }
}
