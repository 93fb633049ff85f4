/* Names to values and back. */
#include "core/choice.h"

#include "unit.h"

static const struct choice COLOURS[] = {
    {"None", 0}, {"Red", 1}, {"Scarlet", 1}, {"Blue", 2}, {NULL, 0}};

static void test_both_ways(void)
{
    char text[64];
    CHECK_U64(choice_find(COLOURS, BYTES(" rED "))->value, 1);
    CHECK_U64(choice_find(COLOURS, BYTES("none"))->value, 0);
    CHECK(!choice_find(COLOURS, BYTES("")));
    CHECK(!choice_find(COLOURS, BYTES("Reds")));
    CHECK_STR(choice_name(COLOURS, 1), "Red");
    CHECK(!choice_name(COLOURS, 3));
    CHECK_STR(choice_list(COLOURS, "", text, sizeof text), "None, Red, Scarlet, Blue");
    CHECK_STR(choice_list(COLOURS + 2, "\"", text, sizeof text), "\"Scarlet\", \"Blue\"");
}

UNIT_MAIN("core/choice", {"both ways", test_both_ways})
