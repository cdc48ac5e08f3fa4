"""The control models of SunSpec devices: their layouts, and where each point is.

Source: the SunSpec Alliance's model definitions (sunspec/models: json/model_120, 121, 123, 124, 702, 704). Who
writes them and the devices that are simulated take them from here: `from meters import sunspec_controls as points`.
"""

from meters.words import Layout

NAMEPLATE, SETTINGS, IMMEDIATE, STORAGE = 120, 121, 123, 124
DER_CAPACITY, DER_CONTROLS = 702, 704
"""The models of IEEE 1547-2018 devices, in place of 120 to 123."""

LAYOUTS = {
    NAMEPLATE: Layout.parse("e16 u16 sf u16 sf s16*4 sf u16 sf s16*4 sf u16 sf u16 sf u16 sf u16 sf pad"),
    SETTINGS: Layout.parse("u16*2 s16 u16*3 s16*4 u16 s16*4 e16*2 u16*2 e16 sf*10"),
    IMMEDIATE: Layout.parse("u16*2 e16 u16*4 e16 s16 u16*3 e16 s16*3 u16*3 e16*2 sf*3"),
    STORAGE: Layout.parse("u16*3 b16 u16*5 e16 s16*2 u16*3 e16 sf*8"),
    DER_CAPACITY: Layout.parse("u16*19 e16*2 b32 b16 u16*18 b16 sf*7"),
    DER_CONTROLS: Layout.parse(
        "e16*2 u32*2 e16*2 u32*2 e16 u16*2 e16 u32*2 e16*2 s32*2 s16*2 e16 u32*2"
        " e16*3 s32*2 s16*2 e16 u32*2 u16 e16 u16 e16 sf*6 u16 e16 u16 e16 u16 e16 u16 e16"
    ),
}

# Offsets from the model's ID register.
W_RTG, W_RTG_SF, WH_RTG, WH_RTG_SF = 3, 4, 19, 20
W_MAX, W_MAX_SF = 2, 22
LIMIT_PERCENT, LIMIT_REVERT_S, LIMIT_ENABLE, LIMIT_PERCENT_SF = 5, 7, 9, 23
CHARGE_MAX_W, STORAGE_MODE, DISCHARGE_PERCENT, CHARGE_PERCENT, STORAGE_REVERT_S = 2, 5, 12, 13, 15
CHARGE_MAX_W_SF, STORAGE_PERCENT_SF = 18, 25
CHARGE_STATE, CHARGE_STATE_SF = 8, 22
STORAGE_FREE, STORAGE_LIMIT_BOTH = 0, 3
DER_W_MAX_RTG, DER_W_MAX, DER_W_SF = 2, 26, 45
DER_LIMIT_ENABLE, DER_LIMIT_PERCENT, DER_REVERT_PERCENT, DER_REVERT_ENABLE, DER_REVERT_S = 14, 15, 16, 17, 18
DER_LIMIT_PERCENT_SF = 54
