/* The version, set by CMake from project(VERSION). */
#ifndef BALLAST_TRAIN_VERSION_H
#define BALLAST_TRAIN_VERSION_H

#ifndef BALLAST_VERSION
#define BALLAST_VERSION "unknown"
#endif
#ifndef BALLAST_COMMIT
#define BALLAST_COMMIT "unknown"
#endif

#endif
