//! Turns the model's names into Rust names.

use proc_macro2::{Ident, Span, TokenStream};
use quote::format_ident;

/// Converts names such as `imageTagMutability` and `GetDownloadUrlForLayer` to snake case.
pub(super) fn snake(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut snake = String::with_capacity(name.len() + 8);
    for (at, letter) in letters.iter().enumerate() {
        if letter.is_ascii_uppercase() && at > 0 && starts_word(&letters, at) {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

fn starts_word(letters: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|before| letters.get(before));
    let after = letters.get(at + 1);
    before.is_some_and(|letter| !letter.is_ascii_uppercase()) || after.is_some_and(char::is_ascii_lowercase)
}

pub(super) fn field(name: &str) -> Ident {
    let snake = snake(name);
    if snake == "type" {
        Ident::new_raw(&snake, Span::call_site())
    } else {
        format_ident!("{snake}")
    }
}

pub(super) fn function(name: &str) -> Ident {
    format_ident!("{}", snake(name))
}

pub(super) fn constant(name: &str) -> Ident {
    format_ident!("{}", snake(name).to_ascii_uppercase())
}

pub(super) fn type_name(name: &str) -> Ident {
    format_ident!("{}", first_letter(name, |letter| letter.to_ascii_uppercase()))
}

/// Converts `RoleArn` to the form of error sentences, `roleArn`.
pub(super) fn uncapitalised(name: &str) -> String {
    first_letter(name, |letter| letter.to_ascii_lowercase())
}

fn first_letter(name: &str, change: impl Fn(char) -> char) -> String {
    let mut letters = name.chars();
    letters.next().map(change).into_iter().chain(letters).collect()
}

/// Converts values such as `SCAN_ON_PUSH`, `docker-hub` and `InvalidImageTag` to the name of a variant.
pub(super) fn variant(value: &str) -> Ident {
    let shouted = !value.chars().any(|letter| letter.is_ascii_lowercase());
    let words = value.split(['_', '-']).map(|word| capitalised(word, shouted));
    match words.collect::<String>().as_str() {
        // The keyword `Self` cannot be a raw identifier.
        "Self" => format_ident!("SelfValue"),
        name => format_ident!("{name}"),
    }
}

fn capitalised(word: &str, shouted: bool) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    let rest = letters.map(|letter| {
        if shouted {
            letter.to_ascii_lowercase()
        } else {
            letter
        }
    });
    first.into_iter().chain(rest).collect()
}

/// A number literal with digits grouped in threes, as lints require.
pub(super) fn number(number: i64) -> TokenStream {
    let digits = number.unsigned_abs().to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && digits.len() > 5 {
            grouped.push('_');
        }
        grouped.push(digit);
    }
    let sign = (number < 0).then(|| quote::quote! { - });
    let literal: TokenStream = grouped.parse().unwrap_or_default();
    quote::quote! { #sign #literal }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_every_case_style_of_the_model() {
        let cases = [
            ("GetDownloadUrlForLayer", "get_download_url_for_layer"),
            ("RCTAppliedFor", "rct_applied_for"),
            ("imageIds", "image_ids"),
            ("Key", "key"),
        ];
        for (name, expected) in cases {
            assert_eq!(snake(name), expected);
        }
    }

    #[test]
    fn values_of_enumerations_become_variants() {
        let cases = [
            ("SCAN_ON_PUSH", "ScanOnPush"),
            ("docker-hub", "DockerHub"),
            ("InvalidImageTag", "InvalidImageTag"),
            ("AES256", "Aes256"),
            ("SELF", "SelfValue"),
        ];
        for (value, expected) in cases {
            assert_eq!(variant(value).to_string(), expected);
        }
    }
}
