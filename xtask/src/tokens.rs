//! Reads the tokens of sources one by one, and detects items that exist only in tests.

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};

/// Whether an attribute limits its item to tests: `cfg(test)`, alone or among other conditions.
pub(crate) fn is_test(attribute: &Group) -> bool {
    let mut cursor = Cursor::new(attribute.stream());
    cursor.skips_word("cfg")
        && cursor
            .skips_group()
            .is_some_and(|group| needs_test(&group, false))
}

fn needs_test(conditions: &Group, every: bool) -> bool {
    let mut cursor = Cursor::new(conditions.stream());
    let mut needed = Vec::new();
    while let Some(token) = cursor.next() {
        if let TokenTree::Ident(word) = token {
            let inner = cursor.skips_group();
            needed.push(match (name(&word).as_str(), inner) {
                ("test", None) => true,
                ("all", Some(inner)) => needs_test(&inner, false),
                ("any", Some(inner)) => needs_test(&inner, true),
                _ => false,
            });
        }
    }
    if every {
        !needed.is_empty() && needed.into_iter().all(|needed| needed)
    } else {
        needed.into_iter().any(|needed| needed)
    }
}

pub(crate) fn name(word: &proc_macro2::Ident) -> String {
    word.to_string().trim_start_matches("r#").to_owned()
}

/// Reads tokens one by one.
pub(crate) struct Cursor(std::iter::Peekable<proc_macro2::token_stream::IntoIter>);

impl Iterator for Cursor {
    type Item = TokenTree;

    fn next(&mut self) -> Option<TokenTree> {
        self.0.next()
    }
}

impl Cursor {
    pub(crate) fn new(tokens: TokenStream) -> Self {
        Self(tokens.into_iter().peekable())
    }

    pub(crate) fn peek(&mut self) -> Option<&TokenTree> {
        self.0.peek()
    }

    pub(crate) fn is(&mut self, mark: char) -> bool {
        matches!(self.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == mark)
    }

    pub(crate) fn skips(&mut self, mark: char) -> bool {
        self.is(mark) && self.next().is_some()
    }

    /// Skips two colons.
    pub(crate) fn skips_separator(&mut self) -> bool {
        let separator = matches!(
            self.peek(),
            Some(TokenTree::Punct(mark)) if mark.as_char() == ':' && mark.spacing() == Spacing::Joint
        );
        separator && self.next().is_some() && self.next().is_some()
    }

    pub(crate) fn skips_word(&mut self, word: &str) -> bool {
        matches!(self.peek(), Some(TokenTree::Ident(ident)) if ident == word) && self.next().is_some()
    }

    pub(crate) fn skips_ident(&mut self) -> Option<String> {
        match self.0.next_if(|token| matches!(token, TokenTree::Ident(_))) {
            Some(TokenTree::Ident(word)) => Some(name(&word)),
            _ => None,
        }
    }

    pub(crate) fn skips_group(&mut self) -> Option<Group> {
        match self.0.next_if(|token| matches!(token, TokenTree::Group(_))) {
            Some(TokenTree::Group(group)) => Some(group),
            _ => None,
        }
    }

    pub(crate) fn skips_braces(&mut self) -> Option<Group> {
        matches!(self.peek(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace)
            .then(|| self.skips_group())
            .flatten()
    }

    /// Skips to the semicolon, body or comma that ends an item, a statement or a member.
    pub(crate) fn skip_item(&mut self) {
        let mut angles = 0;
        let mut arrow = false;
        for token in self.by_ref() {
            match token {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => return,
                TokenTree::Punct(mark) => {
                    match mark.as_char() {
                        ';' => return,
                        ',' if angles == 0 => return,
                        '<' => angles += 1,
                        '>' if !arrow => angles -= 1,
                        _ => {}
                    }
                    arrow = matches!(mark.as_char(), '-' | '=');
                    continue;
                }
                _ => {}
            }
            arrow = false;
        }
    }
}
