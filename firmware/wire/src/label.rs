//! A number and a text: how everything travels that may grow in the field.

use alloc::string::String;

use serde::{Deserialize, Serialize};

/// A number for programs and a text for people.
///
/// A program acts on the numbers it knows and shows the text of all others: an unknown number is never a
/// decode error, so old clients live with new media, jobs and errors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The assigned number.
    pub number: u16,
    /// What a person reads, in English.
    pub text: String,
}

impl Label {
    /// A label of the given number and text.
    pub fn new(number: u16, text: impl Into<String>) -> Self {
        Self {
            number,
            text: text.into(),
        }
    }
}

impl core::fmt::Display for Label {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        out.write_str(&self.text)
    }
}

/// Declares an enum whose variants are numbered for the wire and convert to [`Label`].
macro_rules! numbered {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])* $variant:ident = $number:literal $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name { $($(#[doc = $doc])* $variant,)* }

        impl $name {
            /// Every number assigned so far, with its text.
            pub const TABLE: &'static [($name, u16, &'static str)] = &[$(($name::$variant, $number, $text),)*];

            /// The assigned number.
            pub const fn number(self) -> u16 {
                match self { $($name::$variant => $number,)* }
            }

            /// What a person reads.
            pub const fn text(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// The variant of a number, `None` for one assigned after this was built.
            pub const fn from_number(number: u16) -> Option<Self> {
                match number { $($number => Some($name::$variant),)* _ => None }
            }

            /// Number and text as they travel.
            pub fn label(self) -> $crate::Label {
                $crate::Label::new(self.number(), self.text())
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                out.write_str(self.text())
            }
        }
    };
}
pub(crate) use numbered;
