"""The words by which the columns of a pillar table are known, as ``survey.tables.header_key`` writes them."""

LAT = {
    "lat", "lati", "latitude", "lattitude", "latitute", "latd", "latdd", "latdms", "phi",
    "अक्षांश", "अक्षान्श",
}  # fmt: skip
LON = {
    "lon", "long", "lng", "longi", "longitude", "longtitude", "longitute", "lond", "longdd", "londd",
    "londms", "longdms", "देशांतर", "देशान्तर", "देशांतरण", "रेखांश",
}  # fmt: skip
EAST = {"easting", "eastings", "east", "e", "x", "पूर्वी", "पूर्व", "पूर्वांक", "ईस्टिंग"}
NORTH = {"northing", "northings", "north", "n", "y", "उत्तरी", "उत्तर", "उत्तरांक", "नॉर्थिंग"}
# Words that may stand in a coordinate's header beside its name.
BESIDE = {
    "utm", "wgs", "wgs84", "84", "m", "mtr", "mts", "metre", "metres", "meter", "meters", "in", "coordinate",
    "coordinates", "co", "ordinate", "ordinates", "coord", "dd", "dms", "deg", "degree", "degrees", "decimal",
    "min", "sec", "dm", "ddmmss", "zone", "point", "of", "the", "pillar", "grid", "निर्देशांक", "मीटर",
} | {"n", "e", "x", "y", "north", "east", "उत्तर", "पूर्व"}  # fmt: skip
PILLAR = {
    "pillar", "pillars", "bp", "boundary pillar", "pillar no", "pillar nos", "pillar number", "pillar name",
    "pillar id", "bp no", "bp id", "bp name", "boundary pillar no", "boundary pillar number", "pillarno",
    "corner pillar", "pillar point", "bpno", "lease pillar", "pillar no s", "स्तंभ", "स्तम्भ", "स्तंभ क्रमांक",
    "स्तम्भ क्रमांक", "स्तंभ संख्या", "स्तम्भ संख्या", "स्तंभ सं",
    "पिलर", "पिलर नं", "पिलर नंबर", "पिलर संख्या", "पिलर क्रमांक",
    "सीमा स्तंभ", "सीमा स्तम्भ", "मुनारा", "खंभा",
}  # fmt: skip
POINT = {
    "point", "points", "point no", "point id", "point name", "pt", "pt no", "pt id", "ptid", "station",
    "stn", "station id", "vertex", "vertex no", "corner", "corner no", "id", "name", "label", "code", "node",
    "बिंदु", "बिन्दु", "बिंदु क्रमांक", "नाम",
}  # fmt: skip
SERIAL = {
    "s no", "sno", "sr no", "srno", "sl no", "slno", "serial no", "serial", "serial number", "no", "nos",
    "sr", "sl", "fid", "objectid", "क्रमांक", "क्र", "क्रम संख्या", "क्र सं", "संख्या",
}  # fmt: skip
ORDER = {"order", "sequence", "seq", "vertex order", "walking order", "क्रम"}
PART = {"part", "block", "parcel", "polygon", "ring", "area name", "lease block", "खंड", "भाग"}
ZONE = {"zone", "utm zone", "zone no", "utmzone", "zone number", "utm", "जोन"}
PAIR = {
    "coordinates", "co ordinates", "coordinate", "lat long", "latlong", "lat lon", "latlon",
    "latitude longitude", "lat longitude", "gps", "gps coordinates", "निर्देशांक",
}  # fmt: skip
