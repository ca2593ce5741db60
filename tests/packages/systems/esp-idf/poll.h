#error "ESP-IDF's chips have <sys/poll.h> and no <poll.h>."
