//! Whose a television is: makers buy their systems from each other, and write their own names last.

use super::rank::lookup;

/// Finds the first maker that a User-Agent names. Who only builds for others, such as Vestel, is none.
pub(super) fn maker(user_agent: &str) -> Option<&'static str> {
    let mut words = user_agent.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| word.len() >= 2);
    words.find_map(|word| lookup(MAKERS, word, |row| row.0)).map(|(_, maker)| *maker)
}

/// The makers of televisions, in lower case and byte order.
const MAKERS: &[(&str, &str)] = &[
    ("acer", "Acer"),
    ("aiwa", "Aiwa"),
    ("akai", "Akai"),
    ("aoc", "AOC"),
    ("aquos", "Sharp"),
    ("beko", "Beko"),
    ("blaupunkt", "Blaupunkt"),
    ("bravia", "Sony"),
    ("bush", "Bush"),
    ("changhong", "Changhong"),
    ("daewoo", "Daewoo"),
    ("dexp", "DEXP"),
    ("finlux", "Finlux"),
    ("funai", "Funai"),
    ("grundig", "Grundig"),
    ("haier", "Haier"),
    ("hisense", "Hisense"),
    ("hitachi", "Hitachi"),
    ("humax", "Humax"),
    ("hyundai", "Hyundai"),
    ("insignia", "Insignia"),
    ("jvc", "JVC"),
    ("kalley", "Kalley"),
    ("kivi", "KIVI"),
    ("konka", "Konka"),
    ("lg", "LG"),
    ("lge", "LG"),
    ("loewe", "Loewe"),
    ("logik", "Logik"),
    ("luxor", "Luxor"),
    ("medion", "Medion"),
    ("metz", "Metz"),
    ("mitv", "Xiaomi"),
    ("motorola", "Motorola"),
    ("nokia", "Nokia"),
    ("nordmende", "Nordmende"),
    ("oneplus", "OnePlus"),
    ("onn", "onn."),
    ("panasonic", "Panasonic"),
    ("philips", "Philips"),
    ("pioneer", "Pioneer"),
    ("polaroid", "Polaroid"),
    ("rca", "RCA"),
    ("realme", "realme"),
    ("sagemcom", "Sagemcom"),
    ("samsung", "Samsung"),
    ("sanyo", "Sanyo"),
    ("sharp", "Sharp"),
    ("skyworth", "Skyworth"),
    ("sony", "Sony"),
    ("tcl", "TCL"),
    ("technisat", "TechniSat"),
    ("telefunken", "Telefunken"),
    ("thomson", "Thomson"),
    ("tivo", "TiVo"),
    ("toshiba", "Toshiba"),
    ("viera", "Panasonic"),
    ("vizio", "Vizio"),
    ("westinghouse", "Westinghouse"),
    ("xiaomi", "Xiaomi"),
];

#[cfg(test)]
mod tests {
    use super::{MAKERS, maker};

    #[test]
    fn makers_are_in_byte_order_and_lower_case() {
        assert!(MAKERS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(MAKERS.iter().all(|row| row.0.to_lowercase() == row.0));
    }

    #[test]
    fn the_owner_is_named_and_not_the_builder() {
        assert_eq!(maker("TiVoOS/1.0.0 (Vestel MB181 TOSHIBA) SmartTvA/3.0.0"), Some("Toshiba"));
        assert_eq!(maker("HbbTV/1.6.1 (+DRM; VESTEL; MB230; 3.19.0;)"), None);
        assert_eq!(maker("Mozilla/5.0 (Linux; SmartTV)"), None);
    }
}
