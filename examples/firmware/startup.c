/* From reset to main() on a Cortex-M, and what every board has alike. */
#include "board.h"
#include <stdarg.h>

#define PAINT 0xa5a5a5a5u

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define SYSTICK_LOAD REGISTER(0xe000e014u)
#define SYSTICK_VAL REGISTER(0xe000e018u)
#define FAULT_STATUS REGISTER(0xe000ed28u)

/* From the linker script. */
extern uint32_t stack_bottom[], stack_top[];
extern uint32_t data_begin[], data_end[], bss_begin[], bss_end[];
extern const uint32_t data_in_flash[];

int main(void);

static volatile uint32_t milliseconds;

static void tick(void)
{
    milliseconds++;
}

uint32_t board_ms(void)
{
    return milliseconds;
}

/* Again, if a millisecond ended between the two readings. */
uint32_t board_cycles(void)
{
    uint32_t ms, left;
    do {
        ms = milliseconds;
        left = SYSTICK_VAL;
    } while (ms != milliseconds);
    return ms * (SYSTICK_LOAD + 1) + SYSTICK_LOAD - left;
}

void board_sleep(void)
{
    __asm__ volatile("wfi");
}

size_t board_stack_peak(void)
{
    const uint32_t *word = stack_bottom;
    while (word < stack_top && *word == PAINT) word++;
    return (size_t)((const char *)stack_top - (const char *)word);
}

/* ---- console ---------------------------------------------------------------------------------*/

static void put_text(const char *text)
{
    while (*text != '\0') board_put(*text++);
}

static void put_number(uint32_t number, uint32_t base)
{
    char digits[11];
    char *digit = digits + sizeof digits - 1;
    *digit = '\0';
    do *--digit = "0123456789abcdef"[number % base];
    while ((number /= base) > 0);
    put_text(digit);
}

static void put_signed(int32_t number)
{
    if (number < 0) board_put('-');
    put_number(number < 0 ? 0u - (uint32_t)number : (uint32_t)number, 10);
}

void print(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            board_put(*format);
            continue;
        }
        switch (*++format) {
        case 's':
            put_text(va_arg(values, const char *));
            break;
        case 'u':
            put_number(va_arg(values, uint32_t), 10);
            break;
        case 'd':
            put_signed(va_arg(values, int32_t));
            break;
        case 'x':
            put_number(va_arg(values, uint32_t), 16);
            break;
        default:
            board_put(*format);
        }
    }
    va_end(values);
}

/* ---- reset and faults ------------------------------------------------------------------------*/

/* The stack below this function's own frame is painted, to tell later how deep it was used. */
__attribute__((noinline)) static void paint_stack(void)
{
    const uint32_t *end = (const uint32_t *)__builtin_frame_address(0) - 16;
    for (volatile uint32_t *word = stack_bottom; word < end; word++) *word = PAINT;
}

void reset(void)
{
    const uint32_t *from = data_in_flash;
    for (uint32_t *to = data_begin; to < data_end; to++) *to = *from++;
    for (volatile uint32_t *to = bss_begin; to < bss_end; to++) *to = 0;
    paint_stack();
    board_exit(main());
}

/* frame: what the processor pushed, the address of the instruction seventh. */
void report_fault(const uint32_t *frame)
{
    print("fault at %x, called from %x, CFSR %x\n", frame[6], frame[5], FAULT_STATUS);
    board_exit(3);
}

__attribute__((naked)) static void fault(void)
{
    __asm__ volatile("mov r0, sp\n b report_fault");
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))(uintptr_t)stack_top,
    reset,
    fault, /* NMI */
    fault, /* HardFault */
    fault, /* MemManage */
    fault, /* BusFault */
    fault, /* UsageFault */
    NULL,
    NULL,
    NULL,
    NULL,
    fault, /* SVCall */
    fault, /* debug monitor */
    NULL,
    fault, /* PendSV */
    tick,  /* SysTick */
};
