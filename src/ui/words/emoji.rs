//! The 64 emoji in which two people may compare a code.
//!
//! Glyphs, order and names are those of the Matrix specification (client-server API, `m.sas.v1`,
//! `data-definitions/sas-emoji.json`, Chinese from `zh_Hans`), so the names are already translated and
//! easy to tell apart by ear.

/// One emoji and what to call it aloud.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Emoji {
    /// The emoji itself.
    pub glyph: &'static str,
    /// Its English name.
    pub english: &'static str,
    /// Its Chinese name, in simplified characters.
    pub chinese: &'static str,
}

/// The emoji of each six-bit number.
pub const TABLE: [Emoji; 64] = [
    emoji("🐶", "Dog", "狗"),
    emoji("🐱", "Cat", "猫"),
    emoji("🦁", "Lion", "狮子"),
    emoji("🐎", "Horse", "马"),
    emoji("🦄", "Unicorn", "独角兽"),
    emoji("🐷", "Pig", "猪"),
    emoji("🐘", "Elephant", "大象"),
    emoji("🐰", "Rabbit", "兔子"),
    emoji("🐼", "Panda", "熊猫"),
    emoji("🐓", "Rooster", "公鸡"),
    emoji("🐧", "Penguin", "企鹅"),
    emoji("🐢", "Turtle", "乌龟"),
    emoji("🐟", "Fish", "鱼"),
    emoji("🐙", "Octopus", "章鱼"),
    emoji("🦋", "Butterfly", "蝴蝶"),
    emoji("🌷", "Flower", "花"),
    emoji("🌳", "Tree", "树"),
    emoji("🌵", "Cactus", "仙人掌"),
    emoji("🍄", "Mushroom", "蘑菇"),
    emoji("🌏", "Globe", "地球"),
    emoji("🌙", "Moon", "月亮"),
    emoji("☁\u{fe0f}", "Cloud", "云"),
    emoji("🔥", "Fire", "火"),
    emoji("🍌", "Banana", "香蕉"),
    emoji("🍎", "Apple", "苹果"),
    emoji("🍓", "Strawberry", "草莓"),
    emoji("🌽", "Corn", "玉米"),
    emoji("🍕", "Pizza", "披萨"),
    emoji("🎂", "Cake", "蛋糕"),
    emoji("❤\u{fe0f}", "Heart", "心"),
    emoji("😀", "Smiley", "笑脸"),
    emoji("🤖", "Robot", "机器人"),
    emoji("🎩", "Hat", "帽子"),
    emoji("👓", "Glasses", "眼镜"),
    emoji("🔧", "Spanner", "扳手"),
    emoji("🎅", "Santa", "圣诞老人"),
    emoji("👍", "Thumbs Up", "赞"),
    emoji("☂\u{fe0f}", "Umbrella", "伞"),
    emoji("⌛", "Hourglass", "沙漏"),
    emoji("⏰", "Clock", "时钟"),
    emoji("🎁", "Gift", "礼物"),
    emoji("💡", "Light Bulb", "灯泡"),
    emoji("📕", "Book", "书"),
    emoji("✏\u{fe0f}", "Pencil", "铅笔"),
    emoji("📎", "Paperclip", "回形针"),
    emoji("✂\u{fe0f}", "Scissors", "剪刀"),
    emoji("🔒", "Lock", "锁"),
    emoji("🔑", "Key", "钥匙"),
    emoji("🔨", "Hammer", "锤子"),
    emoji("☎\u{fe0f}", "Telephone", "电话"),
    emoji("🏁", "Flag", "旗帜"),
    emoji("🚂", "Train", "火车"),
    emoji("🚲", "Bicycle", "自行车"),
    emoji("✈\u{fe0f}", "Aeroplane", "飞机"),
    emoji("🚀", "Rocket", "火箭"),
    emoji("🏆", "Trophy", "奖杯"),
    emoji("⚽", "Ball", "球"),
    emoji("🎸", "Guitar", "吉他"),
    emoji("🎺", "Trumpet", "喇叭"),
    emoji("🔔", "Bell", "铃铛"),
    emoji("⚓", "Anchor", "锚"),
    emoji("🎧", "Headphones", "耳机"),
    emoji("📁", "Folder", "文件夹"),
    emoji("📌", "Pin", "图钉"),
];

const fn emoji(glyph: &'static str, english: &'static str, chinese: &'static str) -> Emoji {
    Emoji { glyph, english, chinese }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn distinct(column: fn(&Emoji) -> &'static str) -> usize {
        TABLE.iter().map(column).collect::<HashSet<_>>().len()
    }

    #[test]
    fn no_two_emoji_share_a_glyph_or_a_name() {
        assert_eq!(distinct(|emoji| emoji.glyph), TABLE.len());
        assert_eq!(distinct(|emoji| emoji.english), TABLE.len());
        assert_eq!(distinct(|emoji| emoji.chinese), TABLE.len());
    }

    #[test]
    fn the_ends_of_the_table_are_those_of_the_specification() {
        assert_eq!(TABLE.first().map(|emoji| emoji.english), Some("Dog"));
        assert_eq!(TABLE.last().map(|emoji| emoji.english), Some("Pin"));
    }
}
