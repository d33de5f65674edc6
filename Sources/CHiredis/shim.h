#ifndef SAMOVAR_CHIREDIS_SHIM_H
#define SAMOVAR_CHIREDIS_SHIM_H

#include <hiredis/hiredis.h>
#include <hiredis/sds.h>

#endif
