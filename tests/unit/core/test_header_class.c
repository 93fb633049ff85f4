/* core/header_class: classes. */
#include "core/header_class.h"

#include "unit.h"

static const struct class_row {
    const char *name;
    unsigned class;
} class_rows[] = {
    {"Received", HEADER_CLASS_ROUTING},
    {"RECEIVED", HEADER_CLASS_ROUTING},
    {"Received-SPF", 0},
    {"X-Received", 0},
    {"Receive", 0},
    {"Resent-Date", HEADER_CLASS_ROUTING},
    {"resent-from", HEADER_CLASS_ROUTING},
    {"Resent-Message-ID", HEADER_CLASS_ROUTING},
    {"Resent-Reply-To", HEADER_CLASS_ROUTING},
    {"Resent", 0},
    {"Resent-", HEADER_CLASS_ROUTING},
    {"References", 0},
    {"X-MS-Exchange-Organization-AuthAs", HEADER_CLASS_ORGANIZATION},
    {"x-ms-exchange-organization-scl", HEADER_CLASS_ORGANIZATION},
    {"X-MS-Exchange-Organization-", HEADER_CLASS_ORGANIZATION},
    {"X-MS-Exchange-Organization", 0},
    {"X-MS-Exchange-Forest-RulesExecuted", HEADER_CLASS_FOREST},
    {"X-MS-EXCHANGE-FOREST-X", HEADER_CLASS_FOREST},
    {"X-MS-Exchange-CrossPremises-AuthAs", 0},
    {"X-MS-Has-Attach", 0},
    {"X-MS-TNEF-Correlator", 0},
    {"From", 0},
    {"", 0},
};

static void test_classes(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(class_rows); i++) {
        unit_row(class_rows[i].name);
        CHECK_U64(header_class_of(bytes_of(class_rows[i].name)), class_rows[i].class);
        for (unsigned classes = 0; classes <= HEADER_CLASS_ALL; classes++)
            CHECK(header_class_strips(classes, bytes_of(class_rows[i].name)) ==
                  ((classes & class_rows[i].class) != 0));
    }
}

UNIT_MAIN("core/header_class", {"classes", test_classes})
