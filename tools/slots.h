/* Fields of msgspec's records, read where they lie.

mypyc knows where a field of its own classes is; of any other object it asks by name, each time, which costs
more than the interpreter takes: that one remembers where it found a field the last time. So does this. Each
place in the code remembers one type, that type's version (which changes whenever the type does) and the
field's offset; whatever does not fit is asked for by name, as before. Included before each generated file. */
#ifndef CHAINBRAKE_SLOTS_H
#define CHAINBRAKE_SLOTS_H

#include <Python.h>
#include <CPy.h>

#ifndef Py_GIL_DISABLED

typedef struct {
    PyTypeObject *type;
    unsigned int version;
    Py_ssize_t offset;
} Slot;

/* The offset of a plain field of that name; 0 where it is a property, a method or anything else. */
static Py_ssize_t Slot_offset(PyTypeObject *type, PyObject *name) {
    if (type->tp_getattro != PyObject_GenericGetAttr)
        return 0;
    PyObject *found = _PyType_Lookup(type, name);
    if (found == NULL || Py_TYPE(found) != &PyMemberDescr_Type)
        return 0;
    PyMemberDescrObject *field = (PyMemberDescrObject *)found;
    if (field->d_member->type != T_OBJECT_EX || !PyType_IsSubtype(type, field->d_common.d_type))
        return 0;
    return field->d_member->offset;
}

static PyObject *Slot_find(PyObject *object, PyObject *name, Slot *slot) {
    PyTypeObject *type = Py_TYPE(object);
    Py_ssize_t offset = Slot_offset(type, name);
    if (offset > 0 && type->tp_version_tag != 0) {
        slot->type = type;
        slot->version = type->tp_version_tag;
        slot->offset = offset;
    }
    return PyObject_GetAttr(object, name);
}

static inline PyObject *Slot_get(PyObject *object, PyObject *name, Slot *slot) {
    PyTypeObject *type = Py_TYPE(object);
    if (likely(slot->type == type && slot->version == type->tp_version_tag)) {
        PyObject *value = *(PyObject **)((char *)object + slot->offset);
        if (likely(value != NULL)) {
            Py_INCREF(value);
            return value;
        }
    }
    return Slot_find(object, name, slot);
}

#undef CPyObject_GetAttr
#define CPyObject_GetAttr(object, name)          \
    ({                                           \
        static Slot slot_of_this_place;          \
        Slot_get(object, name, &slot_of_this_place); \
    })

#endif
#endif
