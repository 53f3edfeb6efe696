#include "balance/batch_mix.h"

static int force(int labelled, int batch) {
    return labelled < 1 ? 1 : labelled > batch - 1 ? batch - 1 : labelled;
}

int bl_batch_mix_draw(bl_rng *rng, int batch, double p_unlabelled) {
    int labelled = 0;
    for (int i = 0; i < batch; i++) labelled += !(bl_rng_uniform(rng) < p_unlabelled);
    return force(labelled, batch);
}

double bl_batch_mix_mean(int batch, double p_unlabelled) {
    double mean = 0;
    for (int labelled = 0; labelled <= batch; labelled++) {
        /* Binomial probability, term by term: C(batch, labelled) q^labelled p^(batch - labelled).
         */
        double probability = 1;
        for (int i = 1; i <= labelled; i++) {
            probability *= (1 - p_unlabelled) * (batch - labelled + i) / i;
        }
        for (int i = labelled; i < batch; i++) probability *= p_unlabelled;
        mean += probability * force(labelled, batch);
    }
    return mean;
}
