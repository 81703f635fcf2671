"""What the generated shop sells: departments, forms, styles. Every range and maker is invented."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of thing. `cycle_days`: how long one lasts (0: bought for keeps). `goes_with`: another form's name."""

    name: str
    pounds: float
    cycle_days: int = 0
    goes_with: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Department:
    """A collection. `peak_day`: day of the year with the highest demand; `swing`: by how much it moves."""

    title: str
    forms: tuple[Form, ...]
    peak_day: int
    swing: float


@dataclass(frozen=True, slots=True)
class Style:
    title: str
    ranges: tuple[str, ...]
    shades: tuple[str, ...]


SIZES = ("Small", "Medium", "Large")
SCENTS = ("Cedar", "Fig", "Sea Salt", "Rose")
COLOURS = ("Natural", "Charcoal", "Sage")

DEPARTMENTS = (
    Department("Kitchen", (
        Form("Chopping Board", 28, options=SIZES), Form("Mixing Bowl", 24, goes_with="Wooden Spoon"),
        Form("Wooden Spoon", 9), Form("Storage Jar", 14, options=SIZES), Form("Oil Bottle", 18),
        Form("Apron", 26, goes_with="Oven Glove"), Form("Oven Glove", 15), Form("Utensil Pot", 19),
    ), 330, 0.25),
    Department("Tableware", (
        Form("Mug", 12, goes_with="Tea Towel"), Form("Dinner Plate", 14, goes_with="Side Plate"),
        Form("Side Plate", 10), Form("Teapot", 38, goes_with="Breakfast Tea"), Form("Serving Platter", 34),
        Form("Carafe", 29, goes_with="Tumbler"), Form("Tumbler", 9), Form("Cereal Bowl", 12),
    ), 335, 0.25),
    Department("Pantry", (
        Form("Breakfast Tea", 7.5, 30), Form("Ground Coffee", 9.5, 21, "Coffee Filters"),
        Form("Coffee Filters", 4, 45), Form("Blossom Honey", 6.5, 50), Form("Flaked Salt", 5, 75),
        Form("Granola", 6, 20), Form("Hot Chocolate", 8, 40), Form("Shortbread", 5.5, 35),
    ), 345, 0.2),
    Department("Candles & Scent", (
        Form("Scented Candle", 22, 60, "Wick Trimmer", SCENTS), Form("Wick Trimmer", 11),
        Form("Reed Diffuser", 32, 0, "Diffuser Refill", SCENTS), Form("Diffuser Refill", 16, 80),
        Form("Incense", 9, 45), Form("Candle Holder", 18, goes_with="Dinner Candles"),
        Form("Dinner Candles", 8, 40),
    ), 340, 0.6),
    Department("Bath & Body", (
        Form("Hand Soap", 8, 35, "Soap Dish"), Form("Soap Dish", 11), Form("Bath Salts", 14, 50),
        Form("Hand Cream", 12, 60), Form("Shampoo Bar", 9, 42), Form("Body Brush", 16),
        Form("Bath Mat", 30, options=COLOURS),
    ), 20, 0.15),
    Department("Textiles", (
        Form("Throw", 58, goes_with="Cushion Cover", options=COLOURS),
        Form("Cushion Cover", 26, goes_with="Cushion Pad"), Form("Cushion Pad", 12), Form("Tea Towel", 10),
        Form("Table Runner", 32, goes_with="Napkins"), Form("Napkins", 24),
        Form("Bedspread", 95, options=SIZES), Form("Pillowcase", 22),
    ), 300, 0.4),
    Department("Garden", (
        Form("Plant Pot", 20, goes_with="Potting Mix", options=SIZES), Form("Potting Mix", 11, 90),
        Form("Watering Can", 32), Form("Seed Set", 9), Form("Trowel", 15, goes_with="Garden Gloves"),
        Form("Garden Gloves", 13, options=SIZES), Form("Bird Feeder", 24, goes_with="Bird Seed"),
        Form("Bird Seed", 8, 28), Form("Garden Lantern", 36),
    ), 140, 0.75),
    Department("Stationery", (
        Form("Notebook", 12, goes_with="Pencil Set"), Form("Pencil Set", 9), Form("Wall Calendar", 16),
        Form("Greeting Cards", 8, 70), Form("Wrapping Paper", 5, goes_with="Ribbon"), Form("Ribbon", 4),
        Form("Desk Tray", 28),
    ), 345, 0.35),
    Department("Kids", (
        Form("Stacking Toy", 22), Form("Picture Puzzle", 16), Form("Soft Bear", 24),
        Form("Crayons", 7, goes_with="Colouring Book"), Form("Colouring Book", 6), Form("Story Cards", 12),
        Form("Night Light", 34, goes_with="Light Bulb"),
    ), 345, 0.45),
    Department("Decoration", (
        Form("Vase", 34, goes_with="Dried Flowers", options=SIZES), Form("Dried Flowers", 18),
        Form("Wall Print", 28, goes_with="Picture Frame", options=SIZES), Form("Picture Frame", 24),
        Form("Basket", 30), Form("Mirror", 85), Form("Table Lamp", 78, goes_with="Light Bulb"),
        Form("Light Bulb", 9), Form("Wall Hook", 8),
    ), 90, 0.15),
)  # fmt: skip

STYLES = (
    Style(
        "Northern", ("Fjellby", "Solvika", "Brynholt"), ("Ash", "Chalk", "Slate", "Birch", "Frost", "Mist")
    ),
    Style(
        "Farmhouse", ("Hazelbeck", "Wrenmoor", "Oldacre"), ("Oak", "Clay", "Flax", "Walnut", "Barley", "Rye")
    ),
    Style(
        "Botanical",
        ("Fernholt", "Petalwick", "Mossgrove"),
        ("Fern", "Moss", "Willow", "Clover", "Ivy", "Thyme"),
    ),
    Style(
        "Coastal",
        ("Saltmere", "Driftaway", "Gullhaven"),
        ("Pebble", "Tide", "Shell", "Sand", "Foam", "Harbour"),
    ),
    Style("Bold", ("Zellio", "Kalidora", "Pombela"), ("Mustard", "Coral", "Cobalt", "Plum", "Lime", "Poppy")),
    Style(
        "Classic",
        ("Quillford", "Tarnwick", "Alderleigh"),
        ("Ivory", "Brass", "Navy", "Pearl", "Umber", "Linen"),
    ),
)

FIRST_NAMES = (
    "Ada",
    "Bo",
    "Cleo",
    "Dara",
    "Ezra",
    "Fay",
    "Gil",
    "Hana",
    "Ivo",
    "Juno",
    "Kit",
    "Lev",
    "Mina",
    "Noor",
)
LAST_NAMES = (
    "Alder",
    "Beech",
    "Cedar",
    "Dogwood",
    "Elder",
    "Fir",
    "Gorse",
    "Hazel",
    "Juniper",
    "Larch",
    "Maple",
)
