/* What the port takes from ESP-IDF's log: the clock. */
#ifndef TEST_ESP_LOG_H
#define TEST_ESP_LOG_H

#include <stdint.h>
#include <time.h>

static inline uint32_t esp_log_timestamp(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)now.tv_sec * 1000u + (uint32_t)(now.tv_nsec / 1000000);
}

#endif
