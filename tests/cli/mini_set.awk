# A COCO or LVIS annotation file with the statistics of a table: each class is in as many images as the
# table says, times `scale` (at least `least`), with as many boxes.
#   awk -v n=IMAGES -v scale=S -v least=M -v lvis=0|1 -v url=PREFIX -f mini_set.awk TABLE > FILE
# TABLE: id, name, frequency, images, boxes, tab-separated, no titles. Images are 96 px wide and high, of names
# 000000000001.jpg and on.
function random(m) {
    seed = (seed * 69069 + 5) % 4294967296
    return int(seed / 4294967296 * m)
}
BEGIN { FS = "\t"; seed = 7; printf "{\"annotations\": [" }
{
    category[NR] = sprintf("{\"id\": %d, \"name\": \"%s\"%s}", $1, $2, lvis ? \
        sprintf(", \"frequency\": \"%s\", \"image_count\": %d, \"instance_count\": %d", $3, $4, $5) : "")
    images = int($4 * scale + 0.5); boxes = int($5 * scale + 0.5)
    if (images < least) images = least
    if (images > n) images = n
    if (boxes < images) boxes = images
    split("", in_class); chosen = 0
    while (chosen < images) {
        i = random(n)
        if (!(i in in_class)) { in_class[i] = 1; list[chosen++] = i }
    }
    for (b = 0; b < boxes; b++) {
        i = b < images ? list[b] : list[random(images)]
        printf "%s\n{\"id\": %d, \"image_id\": %d, \"category_id\": %d, \"bbox\": [%d, %d, %d, %d], \"area\": %d, \"iscrowd\": 0}", \
            (any++ ? "," : ""), any, i + 1, $1, random(50), random(50), 24 + random(20), 24 + random(20), 900
    }
    n_classes = NR
}
END {
    printf "], \"images\": ["
    for (i = 1; i <= n; i++)
        printf "%s\n{\"id\": %d, \"width\": 96, \"height\": 96, %s}", (i > 1 ? "," : ""), i, lvis ? \
            sprintf("\"coco_url\": \"http://images/%s/%012d.jpg\", \"neg_category_ids\": [%d], \"not_exhaustive_category_ids\": []", url, i, 1 + i % n_classes) : \
            sprintf("\"file_name\": \"%012d.jpg\"", i)
    printf "], \"categories\": ["
    for (c = 1; c <= n_classes; c++) printf "%s\n%s", (c > 1 ? "," : ""), category[c]
    print "]}"
}
