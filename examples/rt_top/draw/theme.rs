//! Colours, of the sixteen that every terminal has; or none.

use ratatui::style::{Color, Modifier, Style};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Theme {
    has_colour: bool,
}

impl Theme {
    /// Without colours if `NO_COLOR` asks for that; see no-color.org.
    pub(crate) fn of_environment() -> Self {
        Theme { has_colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) }
    }

    #[cfg(test)]
    pub(crate) fn plain() -> Self {
        Theme { has_colour: false }
    }

    #[cfg(test)]
    pub(crate) fn colourful() -> Self {
        Theme { has_colour: true }
    }

    fn colour(self, colour: Color) -> Style {
        if self.has_colour { Style::new().fg(colour) } else { Style::new() }
    }

    pub(crate) fn plain_text(self) -> Style {
        Style::new()
    }

    pub(crate) fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(crate) fn title(self) -> Style {
        self.colour(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    pub(crate) fn border(self) -> Style {
        self.colour(Color::DarkGray)
    }

    /// What matters less.
    pub(crate) fn dim(self) -> Style {
        self.colour(Color::DarkGray)
    }

    pub(crate) fn good(self) -> Style {
        self.colour(Color::Green)
    }

    pub(crate) fn notable(self) -> Style {
        self.colour(Color::Yellow)
    }

    pub(crate) fn bad(self) -> Style {
        self.colour(Color::LightRed)
    }

    pub(crate) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// For a part of something, from 0 to 1.
    pub(crate) fn load(self, part: f64) -> Style {
        match part {
            part if part < 0.7 => self.good(),
            part if part < 0.9 => self.notable(),
            _ => self.bad(),
        }
    }

    /// For how long a poll takes, or a task waits for one.
    pub(crate) fn latency(self, nanoseconds: f64) -> Style {
        match nanoseconds {
            time if time < 1e6 => self.good(),
            time if time < 1e7 => self.notable(),
            _ => self.bad(),
        }
    }
}
