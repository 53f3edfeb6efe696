/* Log lines: totals always, the largest parts as far as they fit. */
#include "tests/check.h"
#include "train/log_line.h"

int main(void) {
    char line[256], head[128];
    const bl_log_part few[] = {{"rpn_cls", 0.5}, {"rpn_box", 0.25}};
    bl_log_line("loss 0.75", few, 2, "  pseudo/img 1.00", line, sizeof line);
    CHECK_STR(line, "loss 0.75 rpn_cls 0.500 rpn_box 0.250  pseudo/img 1.00");
    bl_log_line("loss 0.75", few, 0, "", line, sizeof line);
    CHECK_STR(line, "loss 0.75");

    /* Room for two of three and the mark; the smallest goes, the order stays. */
    const bl_log_part many[] = {{"small_part", 0.001}, {"large_part", 2}, {"middle_one", 0.5}};
    memset(head, 'x', sizeof head);
    head[BL_LOG_WIDTH - 2 * 17 - 4] = 0;
    bl_log_line(head, many, 3, "", line, sizeof line);
    CHECK_EQ(strlen(line), BL_LOG_WIDTH);
    CHECK_STR(line + strlen(head), " large_part 2.000 middle_one 0.500 ...");
    /* All fit exactly: no mark. */
    head[BL_LOG_WIDTH - 3 * 17] = 0;
    bl_log_line(head, many, 3, "", line, sizeof line);
    CHECK_EQ(strlen(line), BL_LOG_WIDTH);
    CHECK_STR(line + strlen(head), " small_part 0.001 large_part 2.000 middle_one 0.500");
    /* The head alone is too long: it stays whole. */
    memset(head, 'x', sizeof head);
    head[BL_LOG_WIDTH + 5] = 0;
    bl_log_line(head, many, 3, "", line, sizeof line);
    CHECK_STR(line + strlen(head), " ...");
    return 0;
}
