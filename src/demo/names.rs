//! Words that sample data is made of.

pub(crate) const FAMILY: [&str; 40] = [
    "Alvarez", "Baker", "Chen", "Dietrich", "Eriksen", "Fofana", "Garcia", "Haddad", "Ivanova", "Jansen", "Kowalski", "Laurent",
    "Moreau", "Nakamura", "Okafor", "Pereira", "Quispe", "Rossi", "Schmidt", "Tanaka", "Usman", "Vasquez", "Weber", "Xu",
    "Yilmaz", "Zeman", "Andersson", "Bianchi", "Costa", "Dubois", "Engel", "Ferrari", "Gupta", "Hernandez", "Ito", "Jimenez",
    "Keller", "Lopez", "Mensah", "Novak",
];

pub(crate) const GIVEN: [&str; 40] = [
    "Lena", "Marco", "Wei", "Anna", "Tom", "Aisha", "Maria", "Omar", "Olga", "Pieter", "Jan", "Claire", "Louis", "Yuki", "Chidi",
    "Rita", "Diego", "Paolo", "Karl", "Hana", "Musa", "Sofia", "Eva", "Li", "Emre", "Petra", "Nils", "Giulia", "Bruno", "Alice",
    "Felix", "Marta", "Priya", "Juan", "Ken", "Lucia", "Max", "Ines", "Kofi", "Vera",
];

pub(crate) const COMPANY: [&str; 20] = [
    "Acme", "BlueRiver", "Cobalt", "Delta", "Evergreen", "Fjord", "Granite", "Helios", "Iberia", "Juniper", "Kestrel", "Lumen",
    "Meridian", "Northwind", "Orion", "Pacific", "Quarry", "Redwood", "Summit", "Tidewater",
];

pub(crate) const BUSINESS: [&str; 12] = [
    "Dynamics", "Foods", "Systems", "Freight", "Ltd.", "Marine", "Works", "Media", "Textiles", "Energy", "Tools", "Partners",
];

pub(crate) const ITEM: [&str; 20] = [
    "Hex bolt", "Gasket kit", "Drill bit set", "Ball valve", "Epoxy resin", "Copper coil", "Impeller", "Flange", "Bearing",
    "Cable drum", "Pressure gauge", "Air filter", "Drive belt", "Steel rod", "Hose clamp", "Seal ring", "Gear wheel", "Rivet box",
    "Weld wire", "Pump housing",
];

pub(crate) const SIZE: [&str; 10] = ["M6", "M8", "M10", "M12", "DN25", "DN50", "DN80", "2\"", "3/4\"", "XL"];

pub(crate) const STREET: [&str; 20] = [
    "Main Street", "Harbour Road", "Mill Lane", "Station Road", "Park Avenue", "Church Street", "River Walk", "Market Square",
    "Garden Street", "Bridge Street", "Hill Road", "Forest Avenue", "Castle Street", "Lake Drive", "Sunset Boulevard", "King Street",
    "Queen Street", "Victoria Road", "Liberty Avenue", "Orchard Lane",
];

/// A country, and a city there.
pub(crate) const PLACE: [(&str, &str); 26] = [
    ("USA", "Boston"),
    ("Spain", "Madrid"),
    ("France", "Lyon"),
    ("Portugal", "Porto"),
    ("Brazil", "Recife"),
    ("Chile", "Santiago"),
    ("Panama", "Colón"),
    ("Argentina", "Rosario"),
    ("Venezuela", "Maracaibo"),
    ("Italy", "Turin"),
    ("United Kingdom", "Leeds"),
    ("Germany", "Bremen"),
    ("Belgium", "Ghent"),
    ("Russia", "Kazan"),
    ("Morocco", "Tangier"),
    ("Israel", "Haifa"),
    ("South Africa", "Durban"),
    ("Guinea", "Conakry"),
    ("India", "Pune"),
    ("China", "Ningbo"),
    ("Australia", "Perth"),
    ("Netherlands", "Utrecht"),
    ("Poland", "Gdańsk"),
    ("Austria", "Graz"),
    ("Greece", "Patras"),
    ("Turkey", "Izmir"),
];
