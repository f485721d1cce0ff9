//! What keys do.

use super::{App, Link, MOST_LINES, Overlay, PERIODS, STATES};
use crate::wire::Order;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

impl App {
    /// What is to be done after a key, if anything.
    pub(crate) fn press(&mut self, key: KeyEvent) -> Option<Order> {
        self.notice = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            self.is_over = true;
            return None;
        }
        let before = self.view();
        let order = if self.typing.is_some() {
            self.type_filter(key.code);
            None
        } else if self.overlay.is_some() {
            self.press_over(key.code);
            None
        } else {
            self.press_plain(key.code)
        };
        let view = self.view();
        order.or_else(|| (view != before).then_some(Order::Show(view)))
    }

    fn type_filter(&mut self, key: KeyCode) {
        match key {
            KeyCode::Enter => self.typing = None,
            KeyCode::Esc => self.filter = self.typing.take().unwrap_or_default(),
            KeyCode::Backspace => _ = self.filter.pop(),
            // As much as fits in a request.
            KeyCode::Char(character) if !character.is_control() && self.filter.len() < 200 => {
                self.filter.push(character);
                (self.selected, self.first) = (0, 0);
            }
            _ => {}
        }
    }

    fn press_over(&mut self, key: KeyCode) {
        if let Some(Overlay::Text { text, first, .. }) = &mut self.overlay {
            let last = text.lines().count().saturating_sub(1);
            let page = self.height.max(1) * 2;
            *first = match key {
                KeyCode::Up | KeyCode::Char('k') => first.saturating_sub(1),
                KeyCode::Down | KeyCode::Char('j') => (*first + 1).min(last),
                KeyCode::PageUp => first.saturating_sub(page),
                KeyCode::PageDown | KeyCode::Char(' ') => (*first + page).min(last),
                KeyCode::Home => 0,
                KeyCode::End => last,
                _ => return self.overlay = None,
            };
            return;
        }
        self.overlay = None;
    }

    fn press_plain(&mut self, key: KeyCode) -> Option<Order> {
        let keys = self.keys().len();
        match key {
            KeyCode::Char('q') | KeyCode::Esc => self.is_over = true,
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.overlay = Some(Overlay::Help),
            KeyCode::Char('s' | '>') => self.set_key((self.key() + 1) % keys),
            KeyCode::Char('S' | '<') => self.set_key((self.key() + keys - 1) % keys),
            KeyCode::Char('r') => self.is_reversed = !self.is_reversed,
            KeyCode::Char('/') => self.typing = Some(self.filter.clone()),
            KeyCode::Char('f') => {
                self.state = match self.state {
                    None => Some(0),
                    Some(state) if state + 1 < STATES.len() => Some(state + 1),
                    Some(_) => None,
                };
                (self.selected, self.first) = (0, 0);
            }
            KeyCode::Char('g') => {
                self.by_place = !self.by_place;
                (self.selected, self.first) = (0, 0);
            }
            KeyCode::Char(' ' | 'p') => self.is_paused = !self.is_paused,
            KeyCode::Char('+') => self.period = self.period.saturating_sub(1),
            KeyCode::Char('-') => self.period = (self.period + 1).min(PERIODS.len() - 1),
            KeyCode::Char('d' | 'D' | 't' | 'T') if !matches!(self.link, Link::Live) => {
                self.notice = Some("there is no program to ask".to_owned());
            }
            KeyCode::Char('d' | 'D') => {
                self.notice = Some("asks for a dump".to_owned());
                return Some(Order::Dump { each: key == KeyCode::Char('D') });
            }
            KeyCode::Char('t') => {
                let request = if self.is_recording { "trace stop" } else { "trace start" };
                return Some(Order::Trace(request.to_owned()));
            }
            KeyCode::Char('T') => {
                let path = self.paths("trace.json").find(|path| !path.exists())?;
                self.notice = Some("asks for the trace".to_owned());
                return Some(Order::Trace(format!("trace save {}", path.display())));
            }
            KeyCode::Enter => {
                // From a place to its tasks.
                if let Some(place) = self.selected_place() {
                    self.filter = place.location.clone();
                    self.by_place = false;
                    (self.selected, self.first) = (0, 0);
                } else if self.selected_task().is_some() {
                    self.overlay = Some(Overlay::Detail);
                }
            }
            KeyCode::Up | KeyCode::Char('k') => self.select(self.selected.saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.select(self.selected + 1),
            KeyCode::PageUp => self.select(self.selected.saturating_sub(self.height)),
            KeyCode::PageDown => self.select(self.selected + self.height),
            KeyCode::Home => self.select(0),
            KeyCode::End => self.select(self.lines()),
            _ => {}
        }
        None
    }

    fn select(&mut self, line: usize) {
        self.selected = line.min(self.lines().saturating_sub(1));
        // At the end of what was listed, more is asked for.
        if self.selected + 1 >= self.limit {
            self.limit = (self.limit * 2).min(MOST_LINES);
        }
    }
}
