/* What tests may ask of the emulated cuDNN. */
#ifndef BALLAST_TESTS_EMU_EMU_CUDNN_H
#define BALLAST_TESTS_EMU_EMU_CUDNN_H

/* The next execution fails with this cudnnStatus_t. */
void bl_emu_cudnn_fail(int status);

#endif
