// What Linux has and Swift's Glibc module leaves out. Nothing of ours.
#include <sys/epoll.h>
#include <sys/eventfd.h>
